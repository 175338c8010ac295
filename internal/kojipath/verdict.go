package main

import (
	"net/http"
	"regexp"
)

// place is a hop of the path, by who connects to whom.
type place int

const (
	nowhere place = iota // nothing failed
	clientToOuter
	outerToGo
	goToInner
	innerToHub
	places
)

// count is what became of the calls of one method.
type count struct {
	calls       int
	badGateway  int         // answered so
	unanswered  int         // or with anything but what the hub says
	failed      [places]int // by where it arose; nowhere: all went well
	once, twice int         // processed by the hub, or more often
}

// result is what a run of one variant has shown.
type result struct {
	variant  variant
	server   string            // name and version of httpd
	counts   map[string]*count // by method
	examples [places]string    // of what was logged there
}

// complaint is a line that httpd logs about a request.
var complaint = regexp.MustCompile(`(?m)(AH\d+: .*) id (\S+)$`)

// complaints returns the first line about each request in a log of httpd.
func complaints(log string) map[string]string {
	by := make(map[string]string)
	for _, match := range complaint.FindAllStringSubmatch(log, -1) {
		if id := match[2]; by[id] == "" {
			by[id] = match[1]
		}
	}
	return by
}

// judge finds for each call that failed the hop at which it did. It is the one
// farthest from the client of those that complained: a proxy whose backend
// fails it may pass that on by failing itself.
func judge(v variant, p *path, calls []call) (*result, error) {
	processed, err := p.hub.Processed()
	if err != nil {
		return nil, err
	}
	inner, outer := complaints(p.inner.WholeLog()), complaints(p.outer.WholeLog())
	r := &result{variant: v, server: p.hub.Name(), counts: map[string]*count{http.MethodGet: {}, http.MethodPost: {}}}
	for _, c := range calls {
		at, said := nowhere, ""
		switch {
		case c.status == http.StatusNoContent && c.err == nil:
		case inner[c.id] != "":
			at, said = innerToHub, inner[c.id]
		case p.failedInHop(c.id) != nil:
			at, said = goToInner, p.failedInHop(c.id).Error()
		case outer[c.id] != "":
			at, said = outerToGo, outer[c.id]
		default:
			at, said = clientToOuter, http.StatusText(c.status)
			if c.err != nil {
				said = c.err.Error()
			}
		}
		r.counts[c.method].add(c, at, processed[c.id])
		if r.examples[at] == "" {
			r.examples[at] = said
		}
	}
	return r, nil
}

func (n *count) add(c call, at place, processed int) {
	n.calls++
	n.failed[at]++
	switch {
	case at == nowhere:
	case c.status == http.StatusBadGateway:
		n.badGateway++
	default:
		n.unanswered++
	}
	switch {
	case processed == 1:
		n.once++
	case processed > 1:
		n.twice++
	}
}

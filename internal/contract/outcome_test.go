package contract

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// outcome is everything that can be seen of a run from outside.
type outcome struct {
	response *http.Response // as RoundTrip returned it
	header   string         // of the response, at that time
	err      string
	body     strings.Builder
	bodyErr  string
	trailer  string
	notes    []string

	wire        string
	writes      []string
	connections int // that carried a byte of the exchange
	uploads     []string
	reused      bool
	probe       string // how the request sent afterwards fared
}

// A fact is one thing to compare, with a name that differences can refer to.
type fact struct{ name, value string }

// facts are what must be the same through both transports.
func (o *outcome) facts(x exchange) []fact {
	wire, connections := o.wire, o.connections
	switch x.wire {
	case headOnly:
		wire, _, _ = strings.Cut(wire, "\r\n\r\n")
	case nothing:
		wire, connections = "", 0
	}
	all := []fact{
		{"err", o.err},
		{"response", fmt.Sprint(o.response != nil)},
		{"body", o.body.String()},
		{"body err", o.bodyErr},
		{"trailer", o.trailer},
		{"notes", strings.Join(o.notes, "\n")},
		{"wire", wire},
		{"connections", fmt.Sprint(connections)},
		{"uploads", strings.Join(o.uploads, "; ")},
		{"reused", fmt.Sprint(o.reused)},
		{"probe", o.probe},
	}
	if x.writes {
		all = append(all, fact{"writes", fmt.Sprintf("%q", o.writes)})
	}
	if r := o.response; r != nil {
		all = append(all,
			fact{"status", r.Proto + " " + r.Status},
			fact{"code", fmt.Sprint(r.StatusCode, r.ProtoMajor, r.ProtoMinor)},
			fact{"header", o.header},
			fact{"length", fmt.Sprint(r.ContentLength)},
			fact{"transfer encoding", strings.Join(r.TransferEncoding, ", ")},
			fact{"uncompressed", fmt.Sprint(r.Uncompressed)},
			fact{"close", fmt.Sprint(r.Close)},
		)
	}
	return all
}

// differing are the names of the facts in which a and b are not the same. What only one of them has, for want of a
// response, differs in that fact alone.
func differing(a, b []fact) []string {
	values := map[string]string{}
	for _, f := range a {
		values[f.name] = f.value
	}
	var names []string
	for _, f := range b {
		if v, ok := values[f.name]; ok && v != f.value {
			names = append(names, f.name)
		}
	}
	slices.Sort(names)
	return names
}

// misses says in which stated facts the outcome is not what x wants.
func (o *outcome) misses(x exchange, w want) []string {
	var all []string
	check := func(name string, want, got any) {
		if want != got {
			all = append(all, fmt.Sprintf("%s: want %#v, got %#v", name, want, got))
		}
	}
	status := 0
	if o.response != nil {
		status = o.response.StatusCode
	}
	check("status", w.status, status)
	check("err", w.err, o.err)
	check("body", w.body, o.body.String())
	check("body err", w.bodyErr, o.bodyErr)
	check("reused", w.reused, o.reused)
	if !x.noProbe {
		check("probe", "200 after", o.probe)
	}
	o.missesStated(w, check)
	return all
}

func (o *outcome) missesStated(w want, check func(name string, want, got any)) {
	if w.wire != "" {
		check("wire", w.wire, o.wire)
	}
	if w.upload != "" {
		check("uploads", w.upload, strings.Join(o.uploads, "; "))
	}
	if w.connections != nil {
		check("connections", *w.connections, o.connections)
	}
	if w.trailer != "" {
		check("trailer", w.trailer, o.trailer)
	}
	if w.notes != nil {
		check("notes", strings.Join(w.notes, "\n"), strings.Join(o.notes, "\n"))
	}
	if o.response == nil {
		return
	}
	check("uncompressed", w.unzipped, o.response.Uncompressed)
	if w.length != nil {
		check("length", *w.length, o.response.ContentLength)
	}
	for name, value := range w.headers {
		check("header "+name, value, strings.Join(o.response.Header.Values(name), " | "))
	}
}

// flatten writes a header in an order that does not depend on luck.
func flatten(h http.Header) string {
	var lines []string
	for name, values := range h {
		lines = append(lines, fmt.Sprintf("%s: %s", name, strings.Join(values, " | ")))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

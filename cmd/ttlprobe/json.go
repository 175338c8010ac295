package main

import (
	"encoding/json"
	"io"
	"time"
)

// document is a finding in JSON. Durations are in seconds; what is not known is
// left out.
type document struct {
	URL       string         `json:"url"`
	Protocol  string         `json:"protocol"`
	TLS       string         `json:"tls,omitempty"`
	Server    string         `json:"server,omitempty"`
	Via       string         `json:"via,omitempty"`
	KeepsNone bool           `json:"keeps_none,omitempty"`
	Stated    float64        `json:"stated_timeout_seconds,omitempty"`
	StatedMax int            `json:"stated_max,omitempty"`
	Earliest  float64        `json:"idle_timeout_seconds,omitempty"`
	Latest    float64        `json:"idle_timeout_latest_seconds,omitempty"`
	Lifetime  float64        `json:"lifetime_seconds,omitempty"`
	Waited    float64        `json:"open_after_seconds,omitempty"`
	Endings   map[string]int `json:"endings"`
	Said      string         `json:"said,omitempty"`
	Cap       int            `json:"request_cap,omitempty"`
	TTL       float64        `json:"ttl_seconds,omitempty"`
}

// writeJSON writes all findings as one array.
func writeJSON(w io.Writer, found []*finding) error {
	documents := make([]document, 0, len(found))
	for _, f := range found {
		documents = append(documents, f.document())
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(documents)
}

func (f *finding) document() document {
	endings := make(map[string]int)
	for how, n := range f.Closed {
		endings[string(how)] = n
	}
	inSeconds := func(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }
	return document{
		URL: f.URL, Protocol: f.facts.protocol, TLS: f.facts.tls, Server: f.facts.server, Via: f.facts.via,
		KeepsNone: f.KeepsNone, Stated: inSeconds(f.Stated), StatedMax: f.StatedMax,
		Earliest: inSeconds(f.Earliest), Latest: inSeconds(f.Latest), Lifetime: inSeconds(f.Lifetime),
		Waited: inSeconds(f.Waited), Endings: endings, Said: f.Said, Cap: f.RequestCap, TTL: inSeconds(f.TTL),
	}
}

// Package debugpage shows a pool live, for whoever looks for the hop that
// closes too early: its addresses and connections with their age, idle time and
// TTL, why connections were closed, after how much idle time they were found
// stale, and what has been learned of each server's timeout.
//
//	mux.Handle("/debug/ttlpool", debugpage.Handler(transport))
//
// The page is plain HTML without scripts and without anything from elsewhere.
// It names the addresses of servers: serve it where only operators come.
package debugpage

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ttlpool/ttlpool"
)

// Source is what is shown: a [ttlpool.Transport] or a [ttlpool.Pool].
type Source interface {
	Stats() ttlpool.Stats
	Conns() []ttlpool.ConnStatus
}

// Snapshot is the page as JSON. Durations are in nanoseconds.
type Snapshot struct {
	Time  time.Time
	Stats ttlpool.Stats
	Conns []ttlpool.ConnStatus
}

// Handler returns a handler that shows the source as it is at each request, and
// changes nothing. It answers GET and HEAD, with any path. It is safe for
// concurrent use if the source is.
//
// The query may have format=json for a [Snapshot], as may the field Accept;
// host=TEXT for the addresses that contain the text; refresh=N for a page that
// loads itself again every N seconds, 1 to 3600. The page shows no more than
// the 200 busiest addresses and 500 connections, and says so; JSON has all.
func Handler(source Source) http.Handler { return handler{source} }

type handler struct{ source Source }

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	query := r.URL.Query()
	refresh, ok := parseRefresh(query.Get("refresh"))
	if !ok {
		http.Error(w, "refresh: want a number of seconds, 1 to 3600", http.StatusBadRequest)
		return
	}
	snapshot := h.snapshot(query.Get("host"))
	var body bytes.Buffer // so that a failure is not half a page
	var err error
	contentType := "text/html; charset=utf-8"
	if wantsJSON(query.Get("format"), r.Header.Values("Accept")) {
		contentType = "application/json"
		err = json.NewEncoder(&body).Encode(snapshot)
	} else {
		err = page.Execute(&body, viewOf(snapshot, query.Get("host"), refresh))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	setHeader(w.Header(), contentType, body.Len())
	if r.Method == http.MethodGet {
		_, _ = w.Write(body.Bytes())
	}
}

func setHeader(h http.Header, contentType string, length int) {
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(length))
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src "+styleHash+"; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
}

// snapshot takes what belongs to the addresses that contain text. The sums of
// Stats are those of all addresses.
func (h handler) snapshot(text string) Snapshot {
	s := Snapshot{Time: time.Now(), Stats: h.source.Stats(), Conns: h.source.Conns()}
	if text == "" {
		return s
	}
	for address := range s.Stats.Hosts {
		if !strings.Contains(address, text) {
			delete(s.Stats.Hosts, address)
		}
	}
	matching := s.Conns[:0]
	for _, c := range s.Conns {
		if strings.Contains(c.Address, text) {
			matching = append(matching, c)
		}
	}
	s.Conns = matching
	return s
}

func parseRefresh(text string) (seconds int, ok bool) {
	if text == "" {
		return 0, true
	}
	seconds, err := strconv.Atoi(text)
	return seconds, err == nil && seconds >= 1 && seconds <= 3600
}

// wantsJSON goes by the query, or else by a client that accepts JSON and does
// not mention HTML, as no browser does.
func wantsJSON(format string, accept []string) bool {
	if format != "" {
		return format == "json"
	}
	accepted := strings.ToLower(strings.Join(accept, ","))
	return strings.Contains(accepted, "application/json") && !strings.Contains(accepted, "html")
}

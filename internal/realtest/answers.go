package realtest

import (
	"crypto/tls"
	"net/http"
)

// answers reports whether a request is answered, whatever the answer: a proxy
// may not have its backend yet.
func (s *Server) answers() bool {
	tr := &http.Transport{
		DialContext:       s.site.place.Dial,
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // who else would be there
	}
	client := &http.Client{Transport: tr, Timeout: startTimeout, CheckRedirect: noRedirect}
	resp, err := client.Get(s.URL())
	return err == nil && resp.Body.Close() == nil
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

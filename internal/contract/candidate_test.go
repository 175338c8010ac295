package contract

import (
	"net/http"

	"github.com/ttlpool/ttlpool"
)

// candidate is ttlpool's transport with the settings of base and no others.
func candidate(base *http.Transport) (http.RoundTripper, func(), error) {
	tr, err := ttlpool.NewTransport(ttlpool.WithBase(base))
	if err != nil {
		return nil, nil, err
	}
	return tr, func() { tr.Close() }, nil
}

package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net/http"
	"time"
)

// selfSigned makes a certificate for these measurements. The clients do not
// verify it.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"localhost"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// http2Server gives the same answers over HTTP/2.
func http2Server() *http.Server {
	return &http.Server{
		ErrorLog: log.New(io.Discard, "", 0), // of connections that a client closes
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			a := Find(req.URL.Path)
			if a == nil {
				http.NotFound(w, req)
				return
			}
			_, _ = io.Copy(io.Discard, req.Body) // a body that breaks off ends the stream anyway
			_, _ = w.Write(a.Body)
		}),
	}
}

package realtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"time"
)

// Certificate is a certificate of 127.0.0.1 and localhost, for one day, that
// vouches for itself.
type Certificate struct {
	chain, key []byte // PEM
	x509       *x509.Certificate
}

// NewCertificate makes one.
func NewCertificate() (*Certificate, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "localhost"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	return &Certificate{
		chain: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
		x509:  parsed,
	}, err
}

// Pool returns the roots for a client that shall trust it.
func (c *Certificate) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.x509)
	return pool
}

// ClientConfig returns the settings of a client that trusts it and no other.
func (c *Certificate) ClientConfig() *tls.Config { return &tls.Config{RootCAs: c.Pool()} }

// Pair returns it with its key, for a server in this process.
func (c *Certificate) Pair() (tls.Certificate, error) { return tls.X509KeyPair(c.chain, c.key) }

// The files of a site's certificate.
const (
	chainFile = "chain.pem"
	keyFile   = "key.pem"
	bothFile  = "both.pem"
)

// writeCertificate writes the files, if there is a certificate.
func (s *site) writeCertificate(c *Certificate) error {
	if c == nil {
		return nil
	}
	return errors.Join(
		os.WriteFile(s.File(chainFile), c.chain, 0o600),
		os.WriteFile(s.File(keyFile), c.key, 0o600),
		os.WriteFile(s.File(bothFile), append(append([]byte(nil), c.chain...), c.key...), 0o600),
	)
}

// errHTTP2 is for settings that ask for HTTP/2 without TLS.
var errHTTP2 = errors.New("HTTP2 needs a Certificate")

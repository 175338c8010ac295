// Package peers runs both transports against HTTP/2 and proxies that are not Go's: nginx, Apache httpd and HAProxy
// speaking HTTP/2 in front of a server that counts, Squid and Apache httpd as forward proxies.
//
// It holds no code but tests. Each runs with http.Transport and with ttlpool over the same base, and asserts the same of
// both; where ttlpool promises more, it says so.
package peers

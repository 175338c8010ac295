// Package realtest runs real servers for tests and commands: Apache httpd, nginx,
// HAProxy, lighttpd, Varnish, Squid, gunicorn, Tomcat, Node's http and Go's own,
// each on a free port of the loopback interface, or of another [Place].
//
//	server := realtest.Start(t, realtest.Nginx{KeepAliveTimeout: 2 * time.Second})
//
// A server without a Backend answers every request, when it has read all of it,
// with 204 and its X-Request-Id. It counts them by that id, so that nothing done
// twice goes unseen. A proxy passes on what it gets; what is behind it counts.
package realtest

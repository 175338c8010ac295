package behaviour

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/behaviours.md anew")

const listPath = "../../docs/behaviours.md"

// TestList wants the list in the docs to be what is run.
func TestList(t *testing.T) {
	want := list()
	if *update {
		require.NoError(t, os.WriteFile(listPath, []byte(want), 0o644))
	}
	got, err := os.ReadFile(listPath)
	require.NoError(t, err)
	assert.Equal(t, want, string(got), "go test ./internal/behaviour -run TestList -update writes it anew")
}

// TestNames wants every behaviour of a list to have a name of its own.
func TestNames(t *testing.T) {
	for _, l := range [][]theme{themes, differences, own} {
		seen := make(map[string]bool)
		for _, th := range l {
			for _, b := range th.behaviours {
				assert.False(t, seen[th.name+b.name], "%s: %s", th.name, b.name)
				seen[th.name+b.name] = true
			}
		}
	}
}

func list() string {
	var out strings.Builder
	fmt.Fprintf(&out, `# Behaviours

What callers of net/http see and rely on, as the tests of [internal/behaviour](../internal/behaviour) have it: %d
behaviours that http.Transport and ttlpool must both show, %d in which they differ on purpose (see
[net-http.md](net-http.md) for the reasons), and %d that only ttlpool has. This list is generated: the tests fail when
it is not what they run.

Each is run in HTTP/1.1, HTTPS (HTTP/1.1 over TLS), HTTP/2 and h2c (HTTP/2 in the clear, with prior knowledge), or where
it says so in some of these.

# What both do
`, number(themes), number(differences), number(own))
	listThemes(&out, themes)
	out.WriteString("\n# What they do differently\n")
	listThemes(&out, differences)
	out.WriteString("\n# What only ttlpool has\n")
	listThemes(&out, own)
	return out.String()
}

func listThemes(out *strings.Builder, themes []theme) {
	for _, th := range themes {
		fmt.Fprintf(out, "\n## %s%s\n\n", strings.ToUpper(th.name[:1]), th.name[1:])
		for _, b := range th.behaviours {
			fmt.Fprintf(out, "- %s%s\n", b.name, where(b))
		}
	}
}

// where says in which modes a behaviour is run, unless it is in all.
func where(b behaviour) string {
	if len(b.in()) == len(everywhere) {
		return ""
	}
	var names []string
	for _, m := range b.in() {
		names = append(names, string(m))
	}
	return " (" + strings.Join(names, ", ") + ")"
}

func number(themes []theme) (n int) {
	for _, th := range themes {
		n += len(th.behaviours)
	}
	return n
}

// fieldsOfBase names, for every exported field of http.Transport, a behaviour that fails if it is not honoured.
var fieldsOfBase = map[string]string{
	"Proxy":                  "proxies: a request with TLS goes through a tunnel",
	"OnProxyConnectResponse": "proxies: the proxy's answer to CONNECT is shown",
	"DialContext":            "dialling: DialContext goes before Dial",
	"Dial":                   "dialling: Dial alone is used",
	"DialTLSContext":         "dialling: DialTLSContext goes before DialTLS and DialContext",
	"DialTLS":                "dialling: DialTLS goes before DialContext",
	"TLSClientConfig":        "settings of a base: TLSClientConfig has the client's certificate",
	"TLSHandshakeTimeout":    "faults: a handshake that takes too long is given up",
	"DisableKeepAlives":      "reuse: without keep-alive each request has a connection of its own",
	"DisableCompression":     "compression: without compression nothing is asked for nor undone",
	"MaxIdleConns":           "limits: no more idle connections in all than allowed",
	"MaxIdleConnsPerHost":    "limits: no more idle connections to a host than allowed",
	"MaxConnsPerHost":        "limits: no more connections to a host than allowed",
	"IdleConnTimeout":        "reuse: an idle connection is closed in time",
	"ResponseHeaderTimeout":  "faults: a server that does not begin its answer runs into the header timeout",
	"ExpectContinueTimeout":  "early answers: an upload does not wait for 100 longer than it should",
	"TLSNextProto":           "choice of a protocol: an empty TLSNextProto means HTTP/1.1",
	"ProxyConnectHeader":     "proxies: a header for CONNECT is sent, and not changed",
	"GetProxyConnectHeader":  "proxies: a header for CONNECT may depend on proxy and target",
	"MaxResponseHeaderBytes": "responses: a header over the limit is an error",
	"WriteBufferSize":        "settings of a base: WriteBufferSize is how much is gathered before it is written",
	"ReadBufferSize":         "settings of a base: ReadBufferSize is how much is read at once",
	"ForceAttemptHTTP2":      "choice of a protocol: ForceAttemptHTTP2 means HTTP/2 all the same",
	"HTTP2":                  "streams of HTTP/2: the sizes of the settings are told to the server",
	"Protocols":              "choice of a protocol: a client that speaks HTTP/1.1 only is spoken to so",
}

// TestEveryField wants no field to be overlooked, such as one that a new Go release adds.
func TestEveryField(t *testing.T) {
	var names []string
	for _, th := range themes {
		for _, b := range th.behaviours {
			names = append(names, th.name+": "+b.name)
		}
	}
	base := reflect.TypeFor[http.Transport]()
	for i := range base.NumField() {
		field := base.Field(i)
		if !field.IsExported() {
			continue
		}
		behaviour, ok := fieldsOfBase[field.Name]
		assert.True(t, ok, "%s is not known here", field.Name)
		assert.True(t, slices.Contains(names, behaviour), "%s: there is no %q", field.Name, behaviour)
	}
}

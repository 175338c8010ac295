package caddy

import (
	"encoding/json"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// everything is a transport with every option of ours, and some of Caddy's.
const everything = `ttlpool {
	ttl 10s
	server_timeout 16s
	strict_ttl 0
	margin 500ms
	max_age 1d 1h
	max_uses 1000
	acquire_timeout 5s
	replay_limit 1MiB
	learning off
	hint on
	idempotent {
		method POST
		path /kojihub
	}
	idempotent {
		header X-Safe *
	}
	max_conns_per_host 50
	dial_timeout 2s
	tls_server_name hub.example.com
	tls_trust_pool inline {
		trust_der MII=
	}
	keepalive_idle_conns_per_host 7
	versions 1.1
}`

const everythingAsJSON = `{
	"tls": {"ca": {"provider": "inline", "trusted_ca_certs": ["MII="]}, "server_name": "hub.example.com"},
	"keep_alive": {"max_idle_conns_per_host": 7},
	"max_conns_per_host": 50,
	"dial_timeout": 2000000000,
	"versions": ["1.1"],
	"ttl": 10000000000,
	"server_timeout": 16000000000,
	"strict_ttl": 0,
	"margin": 500000000,
	"max_age": 86400000000000,
	"max_age_jitter": 3600000000000,
	"max_uses": 1000,
	"acquire_timeout": 5000000000,
	"replay_limit": 1048576,
	"learning": false,
	"hint": true,
	"idempotent": [
		{"method": ["POST"], "path": ["/kojihub"]},
		{"header": {"X-Safe": ["*"]}}
	]
}`

func TestACaddyfileBecomesJSON(t *testing.T) {
	for _, row := range []struct{ caddyfile, json string }{
		{"ttlpool", `{}`},
		{"ttlpool {\n}", `{}`},
		{"ttlpool {\nkeepalive off\n}", `{"keep_alive": {"enabled": false}}`},
		{"ttlpool {\nmax_age 10m\n}", `{"max_age": 600000000000}`},
		{"ttlpool {\nlearning on\nhint off\n}", `{"learning": true, "hint": false}`},
		{"ttlpool {\nreplay_limit 0\n}", `{"replay_limit": 0}`},
		{everything, everythingAsJSON},
	} {
		var transport Transport
		require.NoError(t, transport.UnmarshalCaddyfile(caddyfile.NewTestDispenser(row.caddyfile)), row.caddyfile)
		written, err := json.Marshal(&transport)
		require.NoError(t, err)
		assert.JSONEq(t, row.json, string(written), row.caddyfile)
	}
}

func TestJSONStaysWhatItIs(t *testing.T) {
	var transport Transport
	require.NoError(t, caddy.StrictUnmarshalJSON([]byte(everythingAsJSON), &transport))
	written, err := json.Marshal(&transport)
	require.NoError(t, err)
	assert.JSONEq(t, everythingAsJSON, string(written))
}

func TestAnErrorOfACaddyfileHasItsPosition(t *testing.T) {
	for _, row := range []struct{ block, err string }{
		{"ttl", "wrong argument count or unexpected line ending after 'ttl', at Testfile:2"},
		{"ttl 10s 20s", "wrong argument count or unexpected line ending after '10s', at Testfile:2"},
		{"ttl {\nx\n}", "wrong argument count or unexpected line ending after 'ttl', at Testfile:2"},
		{"ttl soon", `ttl: time: invalid duration "soon", at Testfile:2`},
		{"hint on\nserver_timeout -1s", "server_timeout: -1s is negative, at Testfile:3"},
		{"max_age x 1s", `max_age: time: invalid duration "x", at Testfile:2`},
		{"max_age 1s x", `at Testfile:2`},
		{"max_age 1s 1ms 1ms", "wrong argument count"},
		{"max_uses -1", `max_uses: strconv.ParseUint: parsing "-1": invalid syntax, at Testfile:2`},
		{"replay_limit much", "replay_limit: strconv.ParseFloat: parsing \"\": invalid syntax, at Testfile:2"},
		{"replay_limit 10EiB", "replay_limit: 10EiB is too much, at Testfile:2"},
		{"learning perhaps", `learning: "perhaps" is neither on nor off, at Testfile:2`},
		{"idempotent", "idempotent: no matchers, at Testfile:2"},
		{"idempotent {\n}", "idempotent: no matchers, at Testfile:3"},
		{"idempotent {\nnonsense\n}", "getting matcher module 'nonsense'"},
		{"hint on\ndial_timeout soon", `bad timeout value 'soon': time: invalid duration "soon", at Testfile:3`},
		{"hint on\nhint off\nnonsense 1", "unrecognized subdirective nonsense, at Testfile:4"},
		{"ttl 10s\nserver_timeout 10s", "ttlpool: TTL 10s is longer than the server timeout 10s less the margin 1s, at Testfile:4"},
		{"max_age 1s 2s", "ttlpool: jitter 2s is not shorter than the maximum age 1s, at Testfile:3"},
	} {
		var transport Transport
		err := transport.UnmarshalCaddyfile(caddyfile.NewTestDispenser("ttlpool {\n" + row.block + "\n}"))
		assert.ErrorContains(t, err, row.err, row.block)
	}
	var transport Transport
	err := transport.UnmarshalCaddyfile(caddyfile.NewTestDispenser("ttlpool 10s {\n}"))
	assert.ErrorContains(t, err, "wrong argument count or unexpected line ending after '10s', at Testfile:1")
}

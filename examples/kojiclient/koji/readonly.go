package koji

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// readsOnly reports whether a call changes nothing at the hub, so that it may be made twice.
//
// The calls of a session are no exception. Its call number would let the hub refuse what it has acted on already, but
// then the answer to the first try is lost all the same; and some hubs look for the number in another header than the
// one that clients send it in. So a write is left alone with a session, too.
func readsOnly(method string, args []any) bool {
	switch method {
	case "echo", "search", "downloadTaskOutput":
		return true
	case "multiCall":
		return allReadOnly(args)
	}
	for _, verb := range []string{"get", "list", "query", "count"} {
		rest, ok := strings.CutPrefix(method, verb)
		if next, _ := utf8.DecodeRuneInString(rest); ok && (rest == "" || unicode.IsUpper(next)) {
			return true
		}
	}
	return false
}

// allReadOnly is readsOnly for what a multiCall wraps.
func allReadOnly(args []any) bool {
	if len(args) != 1 {
		return false
	}
	calls, _ := args[0].([]any)
	for _, c := range calls {
		fields, _ := c.(map[string]any)
		method, _ := fields["methodName"].(string)
		params, _ := fields["params"].([]any)
		if !readsOnly(method, params) {
			return false
		}
	}
	return len(calls) > 0
}

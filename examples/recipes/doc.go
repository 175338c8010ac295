// Package recipes shows how three kinds of reverse proxies take up ttlpool: those
// built as Anubis is, as oauth2-proxy is, and as Traefik is. docs/recipes.md
// explains them. They are to be copied, not imported.
package recipes

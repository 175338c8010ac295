package debugpage

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"time"
)

var (
	//go:embed page.html
	pageText string
	//go:embed style.css
	style string
)

// styleHash is what the Content-Security-Policy allows, and nothing else.
var styleHash = func() string {
	sum := sha256.Sum256([]byte(style))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"style":    func() template.CSS { return template.CSS(style) },
	"duration": duration,
	"size":     size,
	"count":    count[int64],
	"gauge":    count[int],
	"clock":    func(t time.Time) string { return t.Format("2006-01-02 15:04:05 MST") },
}).Parse(pageText))

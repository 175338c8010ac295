package clients

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/go-resty/resty/v2"
	"github.com/hashicorp/go-retryablehttp"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"golang.org/x/oauth2"
)

// call sends one request to the hub.
type call func(ctx context.Context, method, id string, body io.Reader) error

// A user is somebody's program on a RoundTripper.
type user struct {
	name  string
	tries int // how often it sends a request that fails, by itself
	make  func(t *testing.T, h *hub, under http.RoundTripper) call
}

const (
	tries = 3
	pause = time.Millisecond // between them
)

var users = []user{
	{name: "http.Client", tries: 1, make: plainClient},
	{name: "httputil.ReverseProxy", tries: 1, make: reverseProxy},
	{name: "resty", tries: tries, make: restyClient},
	{name: "go-retryablehttp", tries: tries, make: retryableClient},
	{name: "otelhttp", tries: 1, make: func(t *testing.T, h *hub, under http.RoundTripper) call {
		return plainClient(t, h, otelhttp.NewTransport(under))
	}},
	{name: "oauth2", tries: 1, make: func(t *testing.T, h *hub, under http.RoundTripper) call {
		token := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "secret"})
		return plainClient(t, h, &oauth2.Transport{Source: token, Base: under})
	}},
	{name: "aws-sdk-go-v2", tries: tries, make: awsClient},
}

func plainClient(_ *testing.T, h *hub, under http.RoundTripper) call {
	return callOver(&http.Client{Transport: under}, h.URL)
}

func callOver(client *http.Client, to string) call {
	return func(ctx context.Context, method, id string, body io.Reader) error {
		req, err := http.NewRequestWithContext(ctx, method, to+"/bucket/"+id, body)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		return drained(resp, err)
	}
}

// drained reads a response to its end.
func drained(resp *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func reverseProxy(t *testing.T, h *hub, under http.RoundTripper) call {
	to, err := url.Parse(h.URL)
	require.NoError(t, err)
	front := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: under,
		ErrorLog:  log.New(io.Discard, "", 0),
	})
	t.Cleanup(front.Close)
	downstream := &http.Transport{}
	t.Cleanup(downstream.CloseIdleConnections)
	return callOver(&http.Client{Transport: downstream}, front.URL)
}

func restyClient(t *testing.T, h *hub, under http.RoundTripper) call {
	client := resty.New().SetTransport(under).SetBaseURL(h.URL).
		SetRetryCount(tries - 1).SetRetryWaitTime(pause).SetRetryMaxWaitTime(pause).
		SetRetryResetReaders(true).SetLogger(silent{})
	t.Cleanup(func() { client.GetClient().CloseIdleConnections() })
	return func(ctx context.Context, method, id string, body io.Reader) error {
		req := client.R().SetContext(ctx)
		if body != nil {
			req.SetBody(body)
		}
		resp, err := req.Execute(method, "/bucket/"+id)
		if err == nil && resp.IsError() {
			return errors.New(resp.Status())
		}
		return err
	}
}

// silent is a logger of resty's.
type silent struct{}

func (silent) Errorf(string, ...any) {}
func (silent) Warnf(string, ...any)  {}
func (silent) Debugf(string, ...any) {}

func retryableClient(_ *testing.T, h *hub, under http.RoundTripper) call {
	client := retryablehttp.NewClient()
	client.HTTPClient = &http.Client{Transport: under}
	client.RetryMax, client.RetryWaitMin, client.RetryWaitMax = tries-1, pause, pause
	client.Logger = nil
	return func(ctx context.Context, method, id string, body io.Reader) error {
		req, err := retryablehttp.NewRequestWithContext(ctx, method, h.URL+"/bucket/"+id, body)
		if err != nil {
			return err
		}
		return drained(client.Do(req))
	}
}

// awsClient speaks S3: a GET is a download, a PUT an upload, and a POST begins an upload in parts and has no body.
func awsClient(_ *testing.T, h *hub, under http.RoundTripper) call {
	client := newS3(h.URL, under)
	bucket := aws.String("bucket")
	return func(ctx context.Context, method, id string, body io.Reader) error {
		switch method {
		case http.MethodGet:
			out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: &id})
			if err != nil {
				return err
			}
			defer out.Body.Close()
			_, err = io.Copy(io.Discard, out.Body)
			return err
		case http.MethodPut:
			text, err := io.ReadAll(body) // the SDK wants to seek in it, for a signature
			if err != nil {
				return err
			}
			_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &id, Body: bytes.NewReader(text)})
			return err
		case http.MethodPost:
			_, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: &id})
			return err
		}
		return fmt.Errorf("S3 has no %s", method)
	}
}

func newS3(endpoint string, under http.RoundTripper) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: &endpoint,
		UsePathStyle: true,
		Region:       "none",
		Credentials:  credentials.NewStaticCredentialsProvider("id", "secret", ""),
		HTTPClient:   &http.Client{Transport: under},
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = tries, pause
		}),
	})
}

// streaming returns a body of which nobody knows the length, nor how to read it again.
func streaming(text string) io.Reader { return struct{ io.Reader }{strings.NewReader(text)} }

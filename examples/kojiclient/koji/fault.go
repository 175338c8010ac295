package koji

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Fault is the hub's refusal of a call. Calls return it wrapped: use errors.As.
type Fault struct {
	Code    FaultCode
	Message string
}

func (f *Fault) Error() string { return fmt.Sprintf("%v: %s", f.Code, f.Message) }

// FaultCode says what kind of fault it is.
type FaultCode int64

// The kinds of faults that hubs know. Anything that a hub did not expect has the code 1.
const (
	FaultUnexpected         FaultCode = 1
	FaultGeneric            FaultCode = 1000
	FaultLock               FaultCode = 1001
	FaultAuth               FaultCode = 1002
	FaultTag                FaultCode = 1003
	FaultActionNotAllowed   FaultCode = 1004
	FaultBuild              FaultCode = 1005
	FaultAuthLock           FaultCode = 1006
	FaultAuthExpired        FaultCode = 1007
	FaultSequence           FaultCode = 1008 // the session has made a later call already
	FaultRetry              FaultCode = 1009 // the session's call was acted on already; its result is lost
	FaultPreBuild           FaultCode = 1010
	FaultPostBuild          FaultCode = 1011
	FaultBuildroot          FaultCode = 1012
	FaultFunctionDeprecated FaultCode = 1013
	FaultServerOffline      FaultCode = 1014
	FaultLiveCD             FaultCode = 1015
	FaultPlugin             FaultCode = 1016
	FaultCallback           FaultCode = 1017
	FaultAppliance          FaultCode = 1018
	FaultParameter          FaultCode = 1019
	FaultImport             FaultCode = 1020
	FaultConfiguration      FaultCode = 1021
	FaultLiveMedia          FaultCode = 1022
	FaultGSSAPIAuth         FaultCode = 1023
)

// faultNames are Koji's own.
var faultNames = map[FaultCode]string{
	FaultUnexpected:         "unexpected error",
	FaultGeneric:            "GenericError",
	FaultLock:               "LockError",
	FaultAuth:               "AuthError",
	FaultTag:                "TagError",
	FaultActionNotAllowed:   "ActionNotAllowed",
	FaultBuild:              "BuildError",
	FaultAuthLock:           "AuthLockError",
	FaultAuthExpired:        "AuthExpired",
	FaultSequence:           "SequenceError",
	FaultRetry:              "RetryError",
	FaultPreBuild:           "PreBuildError",
	FaultPostBuild:          "PostBuildError",
	FaultBuildroot:          "BuildrootError",
	FaultFunctionDeprecated: "FunctionDeprecated",
	FaultServerOffline:      "ServerOffline",
	FaultLiveCD:             "LiveCDError",
	FaultPlugin:             "PluginError",
	FaultCallback:           "CallbackError",
	FaultAppliance:          "ApplianceError",
	FaultParameter:          "ParameterError",
	FaultImport:             "ImportError",
	FaultConfiguration:      "ConfigurationError",
	FaultLiveMedia:          "LiveMediaError",
	FaultGSSAPIAuth:         "GSSAPIAuthError",
}

// String returns Koji's name of the code.
func (c FaultCode) String() string {
	if name, ok := faultNames[c]; ok {
		return name
	}
	return fmt.Sprintf("fault %d", int64(c))
}

// ErrNotFound means that the hub knows no such build or task.
var ErrNotFound = errors.New("not found")

// StatusError is an answer that is not the hub's: a proxy's 502, a login page's redirection.
type StatusError struct {
	Code   int
	Status string
	Text   string // the beginning of the body
}

func (e *StatusError) Error() string {
	if e.Text == "" {
		return e.Status
	}
	return e.Status + ": " + e.Text
}

func statusError(resp *http.Response, body io.Reader) error {
	text, _ := io.ReadAll(io.LimitReader(body, 200)) // the status is what counts
	return &StatusError{Code: resp.StatusCode, Status: resp.Status, Text: strings.TrimSpace(strings.ToValidUTF8(string(text), ""))}
}

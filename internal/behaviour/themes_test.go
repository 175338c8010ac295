package behaviour

// themes are what both transports do.
var themes = []theme{
	{"requests", requests},
	{"hosts", hosts},
	{"responses", responses},
	{"compression", compression},
	{"trailers", trailers},
	{"uploads", uploads},
	{"early answers", early},
	{"faults", faults},
	{"redirects and cookies", redirects},
	{"http.Client", clients},
	{"cancellation", cancellations},
	{"cancellation in the body, and what follows", laterCancellations},
	{"reuse", reuse},
	{"virtual time", virtual},
	{"limits", limits},
	{"httptrace", traces},
	{"second tries", retries},
	{"upgrades", upgrades},
	{"httputil.ReverseProxy", reverseProxies},
	{"httputil.ReverseProxy, when something fails", reverseProxyFaults},
	{"proxies", proxies},
	{"choice of a proxy, and SOCKS", proxyChoices},
	{"streams of HTTP/2", streams},
	{"dialling", dialling},
	{"settings of a base", settings},
	{"choice of a protocol", protocols},
	{"corners of HTTP/1.1", corners},
}

// differences are what the two do differently, on purpose; docs/net-http.md says why.
var differences = []theme{
	{"second tries", secondTries},
	{"early answers", earlyDifferences},
	{"how long connections live", lifeDifferences},
	{"settings of a base", baseDifferences},
}

// own is what http.Transport does not have.
var own = []theme{
	{"how long connections live", lives},
	{"second tries", ownTries},
	{"faults", robust},
}

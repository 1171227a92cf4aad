package config

import (
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/skiffhq/skiff/core/fault"
)

// check notes every rule that the settings break.
func (c *Config) check(f *fault.Collector) {
	f.Check(c.DataDir != "", "dataDir", "must be a directory")
	checkAddress(f, "listen", c.Listen)
	f.Check((c.TLS.CertFile == "") == (c.TLS.KeyFile == ""), "tls", "must name both certFile and keyFile, or neither")
	if c.Metrics.Listen != "" {
		checkAddress(f, "metrics.listen", c.Metrics.Listen)
		f.Check(loopback(c.Metrics.Listen), "metrics.listen", "must be on loopback, as it asks for no token; /metrics on the API's listener does")
	}
	if c.Dev {
		f.Check(loopback(c.Listen), "listen", "must be on loopback under --dev")
		f.Check(c.TLS.CertFile == "", "tls", "has no place under --dev, which speaks plain HTTP on loopback")
	}
	f.Check(slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level), "log.level", "must be debug, info, warn or error")
	f.Check(slices.Contains([]string{"text", "json"}, c.Log.Format), "log.format", "must be text or json")
	c.checkNumbers(f)
}

func (c *Config) checkNumbers(f *fault.Collector) {
	f.Check(c.Memory.Budget == 0 || c.Memory.Budget >= 64<<20, "memory.budget", "must be 0 (half of the host's memory) or at least 64MiB")
	f.Check(c.Auth.TokenTTL > 0, "auth.tokenTTL", "must be more than nothing")
	f.Check(c.Auth.Issuer != "", "auth.issuer", "must not be empty")
	f.Check(c.Auth.Audience != "", "auth.audience", "must not be empty")
	for _, limit := range []struct {
		name  string
		value int
	}{
		{"invoke", c.RateLimits.Invoke}, {"invokeFunction", c.RateLimits.InvokeFunction},
		{"writes", c.RateLimits.Writes}, {"reads", c.RateLimits.Reads},
	} {
		f.Check(limit.value >= 0, "rateLimits."+limit.name, "must be 0 (no limit) or more")
	}
	f.Check(c.Invoke.Concurrency >= 1, "invoke.concurrency", "must be at least 1")
	f.Check(c.Invoke.QueueDepth >= 1, "invoke.queueDepth", "must be at least 1")
	f.Check(c.Invoke.QueueTimeout > 0, "invoke.queueTimeout", "must be more than nothing")
	f.Check(c.Invoke.IdleTimeout > 0, "invoke.idleTimeout", "must be more than nothing")
}

// Loopback reports whether the API can be reached from this host alone.
func (c *Config) Loopback() bool { return loopback(c.Listen) }

func checkAddress(f *fault.Collector, path, addr string) {
	_, port, err := net.SplitHostPort(addr)
	_, notPort := strconv.ParseUint(port, 10, 16)
	f.Check(err == nil && notPort == nil, path, `must be host:port, such as "127.0.0.1:8080"`)
}

// loopback reports whether an address can be reached from this host alone. A
// host name is judged by its spelling: what it resolves to may change.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

package api

import (
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/skiffhq/skiff/core/fault"
)

// etag is the strong validator of a revision.
func etag(revision uint64) string { return `"` + strconv.FormatUint(revision, 10) + `"` }

// ifMatch returns the revision that the client demands, nil where it demands
// none. Of several it takes the present one, where that is among them. A weak
// validator, or one that is not ours, matches nothing (RFC 9110 §13.1.1).
// Fault: Conflict with fault.ReasonPrecondition.
func (r *request) ifMatch(present uint64) (*uint64, error) {
	h := strings.TrimSpace(string(r.http.Request.Header.Peek(fasthttp.HeaderIfMatch)))
	if h == "" || h == "*" {
		return nil, nil
	}
	for one := range strings.SplitSeq(h, ",") {
		if strings.TrimSpace(one) == etag(present) {
			return &present, nil
		}
	}
	return nil, fault.New(fault.Conflict, fault.ReasonPrecondition, "%s: it was changed meanwhile", r.attempt()).
		WithRemedy("read it again and repeat the change with its new ETag")
}

package api

import (
	"encoding/json"
	"testing"

	"github.com/skiffhq/skiff/core/wire"
)

func TestLambdaReportsBesideTheBodyWhereItIsAsked(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	const path = "/2015-03-31/functions/hello/invocations"
	if a := w.do(200, "viewer", "POST", path, ` {"a" : 1}`); a.Header.Get(wire.HeaderReport) != "" {
		t.Errorf("without being asked: %v", a.Header)
	}
	a := w.do(200, "viewer", "POST", path, ` {"a" : 1}`, wire.HeaderReport+": true")
	var report wire.InvokeResult
	if err := json.Unmarshal([]byte(a.Header.Get(wire.HeaderReport)), &report); err != nil {
		t.Fatal(err)
	}
	if string(a.body) != ` {"a" : 1}` || string(report.Body) != "null" || report.MemoryUsed != 1 ||
		report.ExecutedVersion != "$LATEST" || report.RequestID != a.Header.Get(headerRequestID) {
		t.Errorf("body %s, report %+v", a.body, report)
	}
}

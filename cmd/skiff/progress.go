package main

import (
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows how far an upload is, to people only. The zero value shows
// nothing.
type progress struct{ bar *progressbar.ProgressBar }

func (a *app) newProgress(total int64) progress {
	if !a.terminal(a.err) {
		return progress{}
	}
	return progress{progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(a.err),
		progressbar.OptionSetDescription("uploading"),
		progressbar.OptionShowBytes(true),
		progressbar.OptionUseIECUnits(true),
		progressbar.OptionSetWidth(30),
		progressbar.OptionSetRenderBlankState(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)}
}

// set and done ignore errors: an upload does not fail for its picture.

func (p progress) set(sent int64) {
	if p.bar != nil {
		_ = p.bar.Set64(sent)
	}
}

func (p progress) done() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skiffhq/skiff/core/client"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/wire"
)

func (a *app) newMetricsCommand() *cobra.Command {
	var window *function.Duration
	cmd := a.printable(&cobra.Command{
		Use: "metrics NAME", Short: "Show how a function has been doing",
		Example:           "  skiff metrics hello\n  skiff metrics hello --window 15m -o json",
		ValidArgsFunction: a.completeArgs(a.functionNames),
	})
	optional(cmd.Flags(), &window, flag{"window", "DURATION", "how far back, such as 15m or 1h"}, parseDuration)
	cmd.RunE = a.remote(func(ctx context.Context, c *client.Client, args []string) error {
		var back time.Duration
		if window != nil {
			back = time.Duration(*window)
		}
		m, err := c.Metrics(ctx, args[0], back)
		if err != nil {
			return err
		}
		return a.show(m, func() error { return a.showMetrics(m) })
	})
	return cmd
}

func (a *app) showMetrics(m *wire.FunctionMetrics) error {
	v := m.Metrics
	count := func(n uint64) string { return strconv.FormatUint(n, 10) }
	return a.fields([][2]string{
		{"Function", m.FunctionName}, {"Window", durationText(m.Window) + " until " + a.when(m.Timestamp)},
		{"Invocations", count(v.Invocations)}, {"Errors", fmt.Sprintf("%d (%.2f %%)", v.Errors, v.ErrorRate*100)},
		{"Cold starts", count(v.ColdStarts)}, {"Throttles", count(v.Throttles)},
		{"Duration", fmt.Sprintf("average %s, p50 %s, p95 %s, p99 %s", ms(v.AvgDuration), ms(v.P50Duration), ms(v.P95Duration), ms(v.P99Duration))},
		{"Memory", fmt.Sprintf("average %.1f MB, most %.1f MB", v.AvgMemoryUsed, v.MaxMemoryUsed)},
	}...)
}

// ms shows milliseconds with as many digits as tell something.
func ms(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64) + " ms"
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + " ms"
}

// auditFlags select entries.
type auditFlags struct {
	since string
	actor string
	limit int
}

func (a *app) newAuditCommand() *cobra.Command {
	f := auditFlags{limit: 50}
	cmd := a.printable(&cobra.Command{
		Use: "audit", Short: "Show who has changed what", Long: "Show who has changed what, newest first.",
		Example: "  skiff audit\n  skiff audit --since 24h --actor ada\n  skiff audit --since 2026-03-01T00:00:00Z --limit 0 -o json",
	})
	cmd.Flags().StringVar(&f.since, "since", "", "only later ones: `TIME` is 24h, or such as 2026-03-01T08:00:00Z")
	cmd.Flags().StringVar(&f.actor, "actor", "", "only what the `USER` has done")
	cmd.Flags().IntVar(&f.limit, "limit", f.limit, "at most `N`; 0 for all")
	cmd.RunE = a.remote(func(ctx context.Context, c *client.Client, _ []string) error {
		all, err := a.listAudit(ctx, c, f)
		if err != nil {
			return err
		}
		return a.show(all, func() error { return a.auditTable(all.Entries) })
	})
	return cmd
}

// maxAuditPage is the longest page of the audit log.
const maxAuditPage = 500

func (a *app) listAudit(ctx context.Context, c *client.Client, f auditFlags) (*wire.Audit, error) {
	since, err := a.parseSince(f.since)
	if err != nil {
		return nil, err
	}
	if f.limit < 0 {
		return nil, usagef("--limit must be 0 or more")
	}
	all := &wire.Audit{Entries: []wire.AuditEntry{}}
	q := client.AuditQuery{Since: since, Actor: f.actor}
	for {
		q.Limit = maxAuditPage
		if f.limit > 0 {
			q.Limit = min(f.limit-len(all.Entries), maxAuditPage)
		}
		page, err := c.Audit(ctx, q)
		if err != nil {
			return nil, err
		}
		all.Entries, all.NextCursor = append(all.Entries, page.Entries...), page.NextCursor
		if page.NextCursor == "" || f.limit > 0 && len(all.Entries) >= f.limit {
			return all, nil
		}
		q.Cursor = page.NextCursor
	}
}

// parseSince reads a time, or how long ago it was.
func (a *app) parseSince(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := function.ParseDuration(s); err == nil {
		return a.now().Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("--since %q: must be a duration such as 24h, or a time such as 2026-03-01T08:00:00Z", s)
}

func (a *app) auditTable(entries []wire.AuditEntry) error {
	var rows [][]string
	for _, e := range entries {
		var details []string
		for _, k := range slices.Sorted(maps.Keys(e.Details)) {
			details = append(details, k+"="+e.Details[k])
		}
		rows = append(rows, []string{a.when(e.Timestamp), e.Actor, e.Action, e.Target, e.Result, e.Remote, short(strings.Join(details, " "), 60)})
	}
	return a.table("entries", "TIME ACTOR ACTION TARGET RESULT FROM DETAILS", rows)
}

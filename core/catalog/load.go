package catalog

import (
	"context"
	"fmt"
	"maps"
	"unique"

	"github.com/skiffhq/skiff/core/function"
)

// loader builds entries from records that come in order of name.
type loader struct {
	s       *Service
	entries []*entry
	byName  map[string]*entry
}

// load fills the index. Functions that are deleted softly are left out, but
// the code of their versions counts as used.
func (s *Service) load(ctx context.Context) error {
	l := loader{s: s, byName: map[string]*entry{}}
	s.bundles.reset()
	err := s.opts.Store.View(ctx, func(r Reader) error {
		if err := r.EachFunction(l.function); err != nil {
			return err
		}
		if err := r.EachVersion("", l.version); err != nil {
			return err
		}
		return r.EachAlias("", l.alias)
	})
	if err != nil {
		return fmt.Errorf("load the catalogue: %w", err)
	}
	for _, e := range l.entries {
		e.refresh()
	}
	s.index.fill(l.entries)
	return nil
}

func (l *loader) function(f *function.Function) error {
	if f.CreatedAt.After(l.s.lastBorn) {
		l.s.lastBorn = f.CreatedAt
	}
	if !f.DeletedAt.IsZero() {
		return nil
	}
	shareText(&f.Settings)
	f.Team, f.OwnerID = shared(f.Team), shared(f.OwnerID)
	e := &entry{fn: f}
	l.entries = append(l.entries, e)
	l.byName[f.Name] = e
	return nil
}

func (l *loader) version(v *function.Version) error {
	l.s.bundles.use(v.CodeSHA256)
	e := l.byName[v.FunctionName]
	if e == nil {
		return nil
	}
	v.FunctionName = e.fn.Name
	v.CreatedBy = shared(v.CreatedBy)
	shareText(&v.Settings)
	if maps.Equal(v.Environment, e.fn.Environment) {
		v.Environment = e.fn.Environment
	}
	e.versions = append(e.versions, newVersion(v, e.fn.Team, function.Key{Born: e.fn.Born()}))
	return nil
}

func (l *loader) alias(a *function.Alias) error {
	if e := l.byName[a.FunctionName]; e != nil {
		a.FunctionName = e.fn.Name
		e.aliases = append(e.aliases, e.route(a))
	}
	return nil
}

// shareText keeps one copy of what ten thousand functions say alike.
func shareText(s *function.Settings) {
	s.Runtime = function.Runtime(shared(string(s.Runtime)))
	s.Handler = shared(s.Handler)
	s.Network = function.Network(shared(string(s.Network)))
	s.Isolation = function.Isolation(shared(string(s.Isolation)))
}

func shared(s string) string { return unique.Make(s).Value() }

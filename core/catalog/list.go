package catalog

import (
	"math"
	"slices"
	"strings"

	"github.com/skiffhq/skiff/core/function"
)

// Query selects functions. The zero value means all of them.
type Query struct {
	Runtime string // in any spelling; one that is not known selects nothing
	Tag     string // "key" or "key=value"
	Prefix  string // of the name
	Limit   int    // at most so many; 0 or less means all
	Offset  int    // how many to leave out first
	Cursor  string // NextCursor of the page before; Offset counts from there
	// Visible tells whether the caller sees a team's functions; nil sees all.
	Visible func(team string) bool
}

// Page is a part of the selected functions, by name.
type Page struct {
	Functions  []*function.Function
	Total      int    // how many are selected in all, on every page
	NextCursor string // "" on the last page
}

// Functions returns the selected functions. A function that is created or
// deleted between two pages does not move the others where the cursor is used.
func (s *Service) Functions(q Query) Page {
	m := s.matcher(q)
	limit := q.Limit
	if limit <= 0 {
		limit = math.MaxInt
	}
	page, skip := Page{Functions: []*function.Function{}}, max(q.Offset, 0)
	for _, slot := range s.withPrefix(q.Prefix) {
		e := slot.entry.Load()
		if e == nil || !m.matches(e.fn) {
			continue
		}
		page.Total++
		switch {
		case q.Cursor != "" && e.fn.Name <= q.Cursor:
		case skip > 0:
			skip--
		case len(page.Functions) < limit:
			page.Functions = append(page.Functions, e.fn)
		case page.NextCursor == "":
			page.NextCursor = page.Functions[limit-1].Name
		}
	}
	return page
}

// withPrefix returns the slots whose names begin so; they lie together.
func (s *Service) withPrefix(prefix string) []*slot {
	list := s.index.list()
	begin, _ := slices.BinarySearchFunc(list, prefix, func(s *slot, p string) int { return strings.Compare(s.name, p) })
	list = list[begin:]
	end, _ := slices.BinarySearchFunc(list, prefix, func(s *slot, p string) int {
		if strings.HasPrefix(s.name, p) {
			return -1
		}
		return 1
	})
	return list[:end]
}

type matcher struct {
	runtime    function.Runtime // "" matches every one
	none       bool             // nothing matches
	key, value string
	exact      bool // value counts
	visible    func(string) bool
}

func (s *Service) matcher(q Query) matcher {
	m := matcher{visible: q.Visible}
	m.key, m.value, m.exact = strings.Cut(q.Tag, "=")
	if q.Runtime != "" {
		r, err := s.opts.Runtimes.Parse(q.Runtime)
		m.runtime, m.none = r, err != nil
	}
	return m
}

func (m *matcher) matches(f *function.Function) bool {
	switch {
	case m.none, m.runtime != "" && f.Runtime != m.runtime, m.visible != nil && !m.visible(f.Team):
		return false
	case m.key == "":
		return true
	}
	v, ok := f.Tags[m.key]
	return ok && (!m.exact || v == m.value)
}

package catalog

import (
	"context"
	"errors"
	"io"

	"github.com/skiffhq/skiff/core/artifact"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

// Publication is what becomes a version.
type Publication struct {
	Code        io.Reader
	Limit       int64 // most bytes of Code; 0 for the code store's limit
	Description string
	Environment map[string]string // added to the function's, for this version
}

// maxDrafts bounds how often code is judged again because the function's
// configuration changed while it was judged.
const maxDrafts = 3

// errOutdated says that a draft was judged under another configuration.
var errOutdated = errors.New("the configuration changed meanwhile")

// Publish stores code, has it judged and makes it the function's next version,
// with the settings that the function has at that moment. A number is never
// given twice, whatever is deleted. If it fails nothing is stored. Faults:
// NotFound, Invalid with details or with the reason of what is wrong with the
// code, TooLarge, Conflict (also for a function with function.MaxVersions),
// and what reading the code returned.
func (s *Service) Publish(ctx context.Context, actor, name string, p Publication) (*function.Version, error) {
	v, err := s.publish(ctx, actor, name, p)
	if err != nil {
		return nil, failed("publish a version of", name, err)
	}
	return v, nil
}

func (s *Service) publish(ctx context.Context, actor, name string, p Publication) (*function.Version, error) {
	e, err := s.entry(name)
	if err != nil {
		return nil, err
	}
	f, d := e.fn, draft{actor: actor, publication: p}
	if _, err := d.version(f); err != nil { // before anything is uploaded
		return nil, err
	}
	if err := e.roomForVersion(); err != nil {
		return nil, err
	}
	d.bundle, err = s.bundles.receive(ctx, p.Code, p.Limit)
	if err != nil {
		return nil, err
	}
	kept := false
	defer func() {
		if !kept {
			s.bundles.release(d.bundle.SHA256)
		}
	}()
	v, err := s.settle(ctx, f, d)
	kept = err == nil
	return v, err
}

// settle judges and stores the draft, again where the configuration changes
// meanwhile.
func (s *Service) settle(ctx context.Context, f *function.Function, d draft) (*function.Version, error) {
	for range maxDrafts {
		v, err := s.judge(ctx, f, d)
		if err != nil {
			return nil, err
		}
		if err = s.commit(ctx, f, v); err == nil {
			return v, nil
		}
		if !errors.Is(err, errOutdated) {
			return nil, err
		}
		if f, err = s.Function(f.Name); err != nil {
			return nil, err
		}
	}
	return nil, fault.New(fault.Conflict, "configuration_changing", "its configuration kept changing while the code was checked")
}

// draft is a version in the making.
type draft struct {
	actor       string
	publication Publication
	bundle      artifact.Bundle
}

// version returns what the draft would be under the function's configuration,
// without a number.
func (d *draft) version(f *function.Function) (*function.Version, error) {
	v := &function.Version{
		FunctionName: f.Name, CodeSHA256: d.bundle.SHA256, CodeSize: d.bundle.Size,
		Description: d.publication.Description, Status: function.VersionActive, CreatedBy: d.actor,
		Settings: f.Settings,
	}
	v.Environment = function.MergeEnvironment(f.Environment, d.publication.Environment)
	var faults fault.Collector
	v.Check(&faults)
	return v, faults.Err("the version is not valid")
}

func (s *Service) judge(ctx context.Context, f *function.Function, d draft) (*function.Version, error) {
	v, err := d.version(f)
	if err != nil {
		return nil, err
	}
	if d.bundle.Kind == artifact.KindWasm && f.Runtime != function.RuntimeWasm {
		return nil, fault.New(fault.Invalid, fault.ReasonInvalidCodePackage,
			"a WebAssembly module cannot run on the runtime %s", f.Runtime).
			WithRemedy("upload a ZIP archive, or set the runtime to %s", function.RuntimeWasm)
	}
	u := v.Unit(f.Team, f.Born())
	if err := s.opts.Check(ctx, &u); err != nil {
		return nil, err
	}
	return v, nil
}

// commit gives the version its number and stores it, unless the function is
// not any more what the code was judged under.
func (s *Service) commit(ctx context.Context, judged *function.Function, v *function.Version) error {
	return s.change(func(o *outcome) error {
		e, err := s.entry(judged.Name)
		if err != nil {
			return err
		}
		if err := e.roomForVersion(); err != nil {
			return err
		}
		var f *function.Function
		err = s.write(ctx, func(tx Tx) error {
			if f, err = alive(tx, judged.Name); err != nil {
				return err
			}
			switch {
			case f.Born() != judged.Born():
				return noFunction(judged.Name) // a namesake took its place
			case f.Team != judged.Team || !f.Settings.Equal(&judged.Settings):
				return errOutdated
			}
			s.number(f, v)
			if err := tx.PutVersion(v); err != nil {
				return err
			}
			return tx.PutFunction(f)
		})
		if err == nil {
			s.swap(e, e.withVersion(f, v), o)
		}
		return err
	})
}

// roomForVersion returns a Conflict where the function has as many versions as
// it may.
func (e *entry) roomForVersion() error {
	if len(e.versions) < function.MaxVersions {
		return nil
	}
	return fault.New(fault.Conflict, "too_many_versions", "it has %d versions, which is the most that it may have", len(e.versions)).
		WithRemedy("delete versions that nobody will roll back to: skiff version delete %s VERSION", e.fn.Name)
}

// number makes v the newest version of f. The Revision counts up because the
// unit of $LATEST becomes another one.
func (s *Service) number(f *function.Function, v *function.Version) {
	v.Number = max(f.NextVersion, f.PublishedVersion+1)
	v.CreatedAt = s.now()
	f.PublishedVersion, f.NextVersion = v.Number, v.Number+1
	f.Revision++
	f.UpdatedAt = v.CreatedAt
}

// DeleteVersion removes a version, and its code where no other version has the
// same. Faults: NotFound; Conflict where an alias names it or it is the newest.
func (s *Service) DeleteVersion(ctx context.Context, name string, n function.Number) error {
	err := s.change(func(o *outcome) error {
		e, err := s.entry(name)
		if err != nil {
			return err
		}
		v := e.version(n)
		if v == nil {
			return noVersion(name, n)
		}
		if err := e.needed(n); err != nil {
			return err
		}
		if err := s.write(ctx, func(tx Tx) error { return tx.DeleteVersion(name, n) }); err != nil {
			return err
		}
		s.swap(e, e.withoutVersion(n), o)
		o.unused = append(o.unused, v.record.CodeSHA256)
		return nil
	})
	return failed("delete version "+n.String()+" of", name, err)
}

package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/skiffhq/skiff/core/fault"
)

// settings is the user's own file. It holds credentials.
type settings struct {
	Server string           `yaml:"server,omitempty"` // logged in to last
	Logins map[string]login `yaml:"logins,omitempty"` // by server, see client.ParseServer
}

// login is what skiff login has got from one server.
type login struct {
	User      string    `yaml:"user"`
	Token     string    `yaml:"token"`
	ExpiresAt time.Time `yaml:"expiresAt"`
}

// settingsPath is $XDG_CONFIG_HOME/skiff/config.yaml, in ~/.config by default;
// "" where there is no home.
func (a *app) settingsPath() string {
	dir := a.env("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) { // the specification says to ignore others
		if dir = a.env("HOME"); dir == "" {
			return ""
		}
		dir = filepath.Join(dir, ".config")
	}
	return filepath.Join(dir, "skiff", "config.yaml")
}

// loadSettings reads the user's file; none is the same as an empty one.
func (a *app) loadSettings() (settings, error) {
	var s settings
	path := a.settingsPath()
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		dec := yaml.NewDecoder(bytes.NewReader(data))
		dec.KnownFields(true)
		if err = dec.Decode(&s); errors.Is(err, io.EOF) {
			err = nil
		}
	}
	if err != nil {
		return s, fault.Wrap(err, fault.Invalid, "settings", "read %s", path).
			WithRemedy("mend it, or remove it and run skiff login again")
	}
	return s, nil
}

// saveSettings replaces the user's file, for the user's eyes only: whole or
// not at all.
func (a *app) saveSettings(s settings) error {
	path := a.settingsPath()
	if path == "" {
		return usagef("there is no place for the login: set HOME or XDG_CONFIG_HOME")
	}
	data, err := yaml.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return writeFile(path, func(f *os.File) error { _, err := f.Write(data); return err })
}

// writeFile makes or replaces a file with mode 0600 once everything that fill
// writes is on disk.
func writeFile(path string, fill func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // finds nothing after the rename
	if err = fill(f); err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

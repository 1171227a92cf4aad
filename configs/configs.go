// Package configs carries the files that an appliance is shipped with: the
// annotated default settings.
package configs

import _ "embed"

// Settings is skiff.yaml, in which every line is a comment.
//
//go:embed skiff.yaml
var Settings []byte

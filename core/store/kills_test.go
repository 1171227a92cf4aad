//go:build !prove

package store

// kills is how often TestKillLosesNothingThatWasAnswered kills.
const kills = 5

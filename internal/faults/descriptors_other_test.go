//go:build !linux

package faults

// Elsewhere nothing is known of how a limit of descriptors shows.
const fewDescriptors = "TTLPOOL_FEW_DESCRIPTORS"

func runOutOfDescriptors(string) int { return 1 }

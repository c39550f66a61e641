//go:build !faults

package transport

// corrupt leaves a block as it is; faults_on.go is for experiments.
func corrupt([]byte) {}

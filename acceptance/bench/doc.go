// Command bench measures rackswarm's engine side by side with the programs that
// somebody could use instead, on loopback, in one run. The repetitions are
// interleaved, so that what else the machine does hits all alike, and the
// figures are medians.
//
//	make bench OUT=file.json
//	bin/rackswarm-bench -quick -only 'one-to-one/rackswarm,one-to-one/raw'
//
// A case says what moves to how many receivers, a system says with which
// programs, and a round is one repetition of a case by a system: its processes
// are fresh, its directory is its own, and both are gone afterwards. The clock of
// a round runs from the moment when the receivers are told where the content is
// until the last of them has all of it. What they received is compared with the
// source outside the clock. docs/measurements.md has the results.
package main

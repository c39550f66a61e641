// Package restore decides how a database moves: how a run of many nodes goes on,
// and what each of its nodes does next. It is pure: it is told the time, what the
// nodes report and how an operation ended, and answers with a new record, with
// actions for the store, or with the operation that comes next.
//
// # Two machines
//
// A run is one record in the store. Whichever agent leads it calls Advance with
// all that is known (View), performs the actions, and writes the record. Nothing
// is remembered between two calls but the record, so that any agent can lead on,
// and every action may be repeated.
//
// A part is what one node does in a run: the source, which captures, or a member,
// which is restored. The run sets its goal. The node's agent asks Next for an
// operation, notes with Before what must be known if it dies meanwhile, performs
// it, and takes its result in with After:
//
//	for op := Next(j, goal); op != OpNone; op = Next(j, goal) {
//		if j, changed = j.Before(op, inodes); changed {
//			write(j) // with fsync
//		}
//		j = j.After(op, perform(op))
//		write(j) // with fsync
//	}
//
// # What holds at any moment
//
// A primary that runs is not touched unless the request allows it: its role is
// looked at again in the same process right before it would be stopped, and once more
// before it is replaced. The old
// data stay until the goal is GoalCommit; before that every failure and every
// change of the goal brings them back. At most MaxUnavailable members are between
// their old database and a healthy new one. The first member that fails ends the
// switching of others.
package restore

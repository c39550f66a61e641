// Package pluginhost starts the drivers that an agent uses, each a process of its
// own behind hashicorp/go-plugin, and keeps what they do from harming the agent.
//
//   - Only programs of the operator's catalogue are started, and only if their
//     SHA-256 is the catalogue's. The program is opened once: what was hashed is
//     what is executed, whatever stands at its path by then. (go-plugin's own
//     check hashes a path and executes the path later.) Who may write into the
//     file could still change it in between, so it must belong to root or to the
//     agent's user, and nobody else may write to it or to a directory above it.
//   - The process has mutual TLS made for this start, a unix socket in a private
//     directory, an environment that has nothing of the agent's but where temporary
//     files go, and no standard input but a pipe by which it notices the agent's
//     end. It leads a process group; all of the group is killed when it ends.
//   - A process that ends or hangs fails the calls in flight with an Error that
//     may be retried. It is started again by the next call, later after each
//     crash, and after several crashes not for a while.
//   - A call whose context ends returns when the driver works on it no more. The
//     process that takes longer than Config.Grace for that is killed.
//   - No process is ever attached to that this agent did not start.
package pluginhost

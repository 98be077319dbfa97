import type { Handler } from "./call.js"
import * as Exec from "./exec.js"
import * as Inspect from "./inspect.js"
import * as Lifecycle from "./lifecycle.js"

/** What each subcommand does. */
export const handlers: Readonly<Record<string, Handler>> = {
  "machine create": Lifecycle.create,
  "machine start": Lifecycle.start,
  "machine stop": Lifecycle.stop,
  "machine delete": Lifecycle.remove,
  "machine exec": Exec.exec,
  "machine shell": Exec.shell,
  "machine ls": Inspect.ls,
  "machine status": Inspect.status,
  "machine images": Inspect.images,
  "machine prune": Inspect.prune,
  "machine data-dir": Inspect.dataDir,
  "machine egress-events": Inspect.egressEvents,
  "machine monitor": Inspect.monitor
}

import type { Handler } from "./call.js"
import * as Cp from "./cp.js"
import * as Exec from "./exec.js"
import * as Fork from "./fork.js"
import * as Inspect from "./inspect.js"
import * as Lifecycle from "./lifecycle.js"
import * as Packs from "./packs.js"
import * as Run from "./run.js"
import * as Update from "./update.js"

/** What each subcommand does. */
export const handlers: Readonly<Record<string, Handler>> = {
  "machine create": Lifecycle.create,
  "machine start": Lifecycle.start,
  "machine stop": Lifecycle.stop,
  "machine delete": Lifecycle.remove,
  "machine exec": Exec.exec,
  "machine shell": Exec.shell,
  "machine run": Run.run,
  "machine ls": Inspect.ls,
  "machine status": Inspect.status,
  "machine update": Update.update,
  "machine images": Inspect.images,
  "machine prune": Inspect.prune,
  "machine cp": Cp.cp,
  "machine monitor": Inspect.monitor,
  "machine data-dir": Inspect.dataDir,
  "machine egress-events": Inspect.egressEvents,
  "machine fork": Fork.fork,
  "machine fork-release": Fork.release,
  "pack create": Packs.create,
  "pack run": Packs.run,
  "pack push": Packs.push,
  "pack pull": Packs.pull,
  "pack inspect": Packs.inspect,
  "pack prune": Packs.prune
}

import type { FoundBottle, FoundError } from "../../Bottles.js"
import type * as Commands from "../commands.js"

/** What a found bottle is made of. */
export interface Parts extends Pick<FoundBottle, "name" | "view" | "plan" | "proof" | "control" | "down"> {
  readonly operations: Commands.Operations<FoundError>
}

/** A found bottle, of its control and its machine's operations. */
export const foundOf = ({ operations, ...rest }: Parts): FoundBottle => ({
  ...rest,
  ...operations,
  id: rest.view.id,
  gone: rest.control.gone,
  describe: rest.control.describe,
  commit: rest.control.commit,
  reload: rest.control.reload
})

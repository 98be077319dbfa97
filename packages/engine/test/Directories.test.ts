import { assert, describe, it } from "@effect/vitest"
import * as Directories from "../src/Directories.js"

describe("Directories", () => {
  it("are below HOME where the XDG variables say nothing", () => {
    const directories = Directories.fromEnvironment({ HOME: "/home/me" })
    assert.deepStrictEqual(
      { ...directories },
      {
        cache: "/home/me/.cache/bottle",
        state: "/home/me/.local/state/bottle",
        run: "/home/me/.local/state/bottle/run"
      }
    )
  })

  it("follow the XDG variables, and not a relative one", () => {
    const directories = Directories.fromEnvironment({
      HOME: "/home/me",
      XDG_CACHE_HOME: "/c",
      XDG_STATE_HOME: "relative",
      XDG_RUNTIME_DIR: "/run/user/1"
    })
    assert.deepStrictEqual(
      { ...directories },
      { cache: "/c/bottle", state: "/home/me/.local/state/bottle", run: "/run/user/1/bottle" }
    )
  })
})

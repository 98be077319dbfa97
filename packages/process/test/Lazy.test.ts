import { lazy } from "@bottle/process/Lazy"
import { expect, it } from "vitest"

it("makes a function when it is first called, and once", () => {
  let made = 0
  const add = lazy(() => {
    made += 1
    return (left: number, right: number) => left + right
  })
  expect(made).toBe(0)
  expect([add(1, 2), add(3, 4)]).toEqual([3, 7])
  expect(made).toBe(1)
})

it("tries again when making it failed", () => {
  let tries = 0
  const late = lazy(() => {
    tries += 1
    if (tries === 1) throw new Error("not yet")
    return () => "made"
  })
  expect(() => late()).toThrow("not yet")
  expect(late()).toBe("made")
})

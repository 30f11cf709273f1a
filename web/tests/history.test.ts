import { expect, test } from "vitest";
import { outline } from "../src/shared/customer/Waveform";
import { parseRoute, pathOf } from "../src/shared/route";

test("an address holds the place that a search found", () => {
  const route = {
    page: "customers",
    customerId: "cus_1",
    place: { entry: "int_1", recording: "rec_1", at: 12.4 },
  } as const;
  expect(parseRoute(pathOf(route))).toEqual(route);
  expect(parseRoute("/customers/cus_1")).toEqual({ page: "customers", customerId: "cus_1", place: undefined });
  expect(parseRoute("/customers/cus_1?at=3").page).toBe("customers");
});

test("a waveform has the customer above and the agent below", () => {
  const { path, width } = outline([
    [0, 255],
    [255, 0],
  ]);
  expect(width).toBe(2);
  expect(path).toBe("M0,29.5L1,1.0L1,30.5L0,59.0Z");
  expect(outline([]).width).toBe(0);
});

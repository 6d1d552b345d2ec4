// The module and its types have the same names, for values with as many parameters.
import * as declared from "/auth/client.js";
import * as written from "./client.js";

/** By name, how many parameters there are, optional ones included; of a class it is not said. */
type Parameters<Module> = {
  [Name in keyof Module]: Module[Name] extends (...values: infer Values) => unknown
    ? Required<Values>["length"]
    : "class";
};

export const asDeclared: Parameters<typeof declared> = {} as Parameters<typeof written>;
export const asWritten: Parameters<typeof written> = {} as Parameters<typeof declared>;

// Greets by name: {"name":"Ada"} → {"message":"Hello, Ada"}.
import { fail, Key, Level, log, meta, quote, result, text } from "../../assemblyscript/skiff";
import { Fields } from "../../assemblyscript/json";

export { skiff_alloc } from "../../assemblyscript/skiff";

export function handle(ptr: usize, length: i32): u64 {
  const person = new Fields(text(ptr, length));
  if (!person.valid) return fail("BadRequest", "the payload is no JSON object");
  const name = person.text("name");
  if (name === null || name.length == 0) return fail("BadRequest", '"name" is missing');
  log(Level.Info, "greeting " + quote(name) + " for request " + meta(Key.RequestId));
  return result('{"message":' + quote("Hello, " + name) + "}");
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { expand, variables } from "../components/tools/template.js";

// RFC 6570, section 3.2, with strings.
const values = { var: "value", hello: "Hello World!", path: "/foo/bar", empty: "", x: "1024", y: "768", half: "50%", base: "http://example.com/home/", who: "fred", semi: ";" };
const examples = {
  "{var}": "value", "{hello}": "Hello%20World%21", "{half}": "50%25", "O{empty}X": "OX", "O{undef}X": "OX", "{x,y}": "1024,768", "{x,hello,y}": "1024,Hello%20World%21,768", "?{x,empty}": "?1024,", "?{x,undef}": "?1024", "{var:3}": "val", "{var:30}": "value",
  "{+var}": "value", "{+hello}": "Hello%20World!", "{+half}": "50%25", "{base}index": "http%3A%2F%2Fexample.com%2Fhome%2Findex", "{+base}index": "http://example.com/home/index", "{+path}/here": "/foo/bar/here", "{+x,hello,y}": "1024,Hello%20World!,768", "{+path:6}/here": "/foo/b/here",
  "{#var}": "#value", "{#half}": "#50%25", "foo{#empty}": "foo#", "foo{#undef}": "foo", "{#path,x}/here": "#/foo/bar,1024/here",
  "{.who}": ".fred", "{.who,who}": ".fred.fred", "X{.empty}": "X.", "X{.undef}": "X", "{/who}": "/fred", "{/half,who}": "/50%25/fred", "{/var,empty}": "/value/", "{/var,x}/here": "/value/1024/here",
  "{;who}": ";who=fred", "{;empty}": ";empty", "{;x,y,empty}": ";x=1024;y=768;empty", "{?who}": "?who=fred", "{?x,y,empty}": "?x=1024&y=768&empty=", "{?x,y,undef}": "?x=1024&y=768", "?fixed=yes{&x}": "?fixed=yes&x=1024", "{&var:3}": "&var=val",
  "{who*}": "fred",
};

for (const [template, expected] of Object.entries(examples)) {
  test(`${template} expands to ${expected}`, () => assert.equal(expand(template, values), expected));
}

test("Names are told once each, without their modifiers; names of every object's own are no values", () => {
  assert.deepEqual(variables("file:///{dir}/{+name:3}{?a,b*,a}"), ["dir", "name", "a", "b"]);
  assert.equal(expand("{toString}{constructor}", {}), "");
});

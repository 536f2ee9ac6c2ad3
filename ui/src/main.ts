import "./app.css";
import { mount } from "svelte";
import { pickBackend } from "./backend/pick";
import Root from "./views/Root.svelte";

const target = document.getElementById("app");
if (target === null) throw new Error("index.html has no #app");
mount(Root, { target, props: { backend: await pickBackend() } });

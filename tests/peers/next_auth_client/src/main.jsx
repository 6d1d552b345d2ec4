import { useLayoutEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import {
  SessionProvider,
  getCsrfToken,
  getProviders,
  getSession,
  signIn,
  signOut,
  useSession,
} from "next-auth/react";

// What the page says of itself: the properties of SessionProvider, and whether the members' page
// answers for itself who is not signed in.
const { ownSignIn, ...properties } = JSON.parse(document.querySelector("#settings").textContent);

// For what has no button; and every status that there was, for who looks too late.
const statuses = [];
window.client = { getCsrfToken, getProviders, getSession, signIn, signOut };
window.statuses = statuses;

function Home() {
  const session = useSession();
  const [result, setResult] = useState();
  // Before anybody can see it.
  useLayoutEffect(() => {
    statuses.push(session.status);
    window.client.update = session.update;
    window.session = session;
  }, [session]);

  const show = async (answer) => {
    setResult(undefined);
    setResult((await answer) ?? null);
  };
  return (
    <>
      <Greeting {...session} />
      <SignIn show={show} />
      <Profile update={session.update} show={show} />
      <button onClick={() => signIn()}>Sign in elsewhere</button>
      <button onClick={() => signOut()}>Sign out</button>
      <button onClick={() => show(signOut({ redirect: false }))}>Sign out and stay</button>
      {result !== undefined && <output>{JSON.stringify(result)}</output>}
    </>
  );
}

function Greeting({ status, data }) {
  if (status === "loading") return <h1>One moment</h1>;
  if (status === "unauthenticated") return <h1>Nobody is signed in</h1>;
  return <h1>Hello, {data.nick ?? data.user.name}</h1>;
}

function SignIn({ show }) {
  const submit = (event) => {
    event.preventDefault();
    const { stay, ...credentials } = Object.fromEntries(new FormData(event.target));
    // Without the option it is the client that decides.
    show(signIn("credentials", stay ? { ...credentials, redirect: false } : credentials));
  };
  return (
    <form onSubmit={submit}>
      <label>
        User name <input name="username" />
      </label>
      <label>
        Password <input name="password" type="password" />
      </label>
      <label>
        <input name="stay" type="checkbox" /> Stay on this page
      </label>
      <button>Sign in</button>
    </form>
  );
}

function Profile({ update, show }) {
  const submit = (event) => {
    event.preventDefault();
    show(update(Object.fromEntries(new FormData(event.target))));
  };
  return (
    <form onSubmit={submit}>
      <label>
        Nickname <input name="nick" />
      </label>
      <button>Save</button>
    </form>
  );
}

function Members() {
  const { status, data } = useSession({
    required: true,
    onUnauthenticated: ownSignIn ? () => signIn() : undefined,
  });
  // With `required` there is nobody to show only while it is not known who it is.
  if (status === "loading") return <h1>One moment</h1>;
  return <h1>For {data.user.name} only</h1>;
}

const Page = window.location.pathname === "/members" ? Members : Home;

createRoot(document.querySelector("#root")).render(
  <SessionProvider {...properties}>
    <Page />
  </SessionProvider>,
);

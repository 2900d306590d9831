/** The types of the client, for editors and `tsc`; no page loads them. Those of the API are told in docs/api.md. */

type Status = "pending" | "processing" | "completed" | "failed" | "cancelled";

interface Job {
  job_id: string;
  kind: string;
  status: Status;
  /** Number of the latest event it contains. */
  seq: number;
  attempt: number;
  max_attempts: number;
  progress: { percent: number; message?: string; eta_seconds?: number } | null;
  /** Jobs ahead of it in its queue. */
  position: number | null;
  eta_seconds: number | null;
  created_at: string;
  updated_at: string;
  started_at: string | null;
  finished_at: string | null;
  retry_at: string | null;
  suspended_at: string | null;
  cancel_requested_at: string | null;
  waiting_for: string | null;
  result: any;
  result_url: string | null;
  artifacts: { name: string; size: number; content_type: string; url: string }[];
  error: { code: string; message: string; type?: string } | null;
  tags: string[];
}

interface JobEvent {
  job_id: string;
  seq: number;
  type: string;
  at: string;
  data: any;
  /** A snapshot that replaces all that was known. */
  reset?: boolean;
}

interface Kind {
  kind: string;
  description: string;
  params_schema: any;
}

/** What `POST /api/tokens` answers. */
interface TokenObject {
  token?: string;
  expires_at?: string;
}

/** An API key, a JWT or a browser token; a function is asked for a fresh one whenever that is needed. */
type Token = string | (() => string | TokenObject | Promise<string | TokenObject>);

/** How a follower is connected. */
type State = "live" | "reconnecting" | "polling" | "offline";

interface TidingsOptions {
  /** Where the service is; without it, where the client came from. */
  base?: string | URL;
  token?: Token;
  /** Where `token` is a function: tabs in which this is the same have the same rights, and share one connection. */
  share?: string | (() => string);
}

interface RequestOptions extends RequestInit {
  /** Is posted. */
  json?: unknown;
  /** How often it may be sent, where a repeat is harmless. */
  tries?: number;
  /** Milliseconds. */
  timeout?: number;
}

interface Answer {
  status: number;
  headers: Headers;
  body: any;
}

interface FollowOptions {
  /** The seq that is known; 0 for the whole log. Without it a snapshot comes first. */
  after?: number | null;
  /** Ends it, without an error. */
  signal?: AbortSignal;
  onConnection?: (state: State) => void;
}

interface UploadOptions {
  /** Bytes. */
  onProgress?: (sent: number, total: number) => void;
  /** Stops it; the same file given again goes on. */
  signal?: AbortSignal;
  /** Of what is no File. */
  name?: string;
}

interface Problem {
  code?: string;
  title?: string;
  detail?: string;
  errors?: { pointer?: string; message: string }[];
}

/** Inside the client: what a tab wants to hear. `after` is the lowest seq known there, `blank` says that somebody knows
 * none, `fresh` that what is unknown is needed. */
interface Want {
  name: string;
  after: number | null;
  blank: boolean;
  fresh: boolean;
}

/** What all tabs are told. `before` is the seq that a job's event follows on. */
type News =
  | { topic: string; event: JobEvent; before?: number | null }
  | { over: string; seq: number | null; why?: { status: number; code: string; detail: string } }
  | { state: State };

type Service = import("./service.js").Service;
type Connection = import("./connection.js").Connection;
type Topic = import("./topic.js").Topic;
type Tabs = import("./tabs.js").Tabs;
type Follower = import("./follow.js").Follower;

/** Carries all topics until it breaks, or they are others; resolves to milliseconds to rest, or NO_USE. */
type Way = (connection: Connection) => Promise<number>;

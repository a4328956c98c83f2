// Ask a question and print the answer, with the polling pattern that a page would use.
//
//     node examples/ask.mjs "How many films are there?" [http://localhost:7071]
//
// Where the app wants to know who asks, put a token into LAKEHOUSE_TOKEN.

const POLL_EVERY_MS = 2000;
const MAX_ATTEMPTS = 60; // two minutes

export async function startConversation(base, question, headers = {}) {
  const response = await fetch(`${base}/api/chat/start`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify({ question }),
  });
  const body = await response.json();
  if (response.status !== 202) throw new Error(`${body.error} ${body.do}`);
  return body.conversation_id;
}

export function pollConversation(base, conversationId, onProgress, headers = {}) {
  return new Promise((resolve, reject) => {
    let attempts = 0;
    const poll = setInterval(async () => {
      attempts += 1;
      try {
        const response = await fetch(`${base}/api/chat/${conversationId}/status`, { headers });
        const data = await response.json();
        if (!response.ok) throw new Error(`${data.error} ${data.do}`);
        onProgress(data.progress);
        if (data.status === "completed") {
          clearInterval(poll);
          resolve(data.final_answer);
        } else if (data.status === "error") {
          clearInterval(poll);
          reject(new Error(data.error));
        } else if (attempts >= MAX_ATTEMPTS) {
          clearInterval(poll);
          reject(new Error("Timeout"));
        }
      } catch (error) {
        clearInterval(poll);
        reject(error);
      }
    }, POLL_EVERY_MS);
  });
}

const [question = "How many films are there?", base = "http://localhost:7071"] = process.argv.slice(2);
const headers = process.env.LAKEHOUSE_TOKEN ? { Authorization: `Bearer ${process.env.LAKEHOUSE_TOKEN}` } : {};
const showProgress = ({ percentage, current_step }) => console.error(`${percentage}% ${current_step}`);

try {
  const conversationId = await startConversation(base, question, headers);
  console.log(await pollConversation(base, conversationId, showProgress, headers));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

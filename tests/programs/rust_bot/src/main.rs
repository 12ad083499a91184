//! The bot of the story: one reqwest client with five settings, warmed up at start.
//!
//! rust_bot URL REQUESTS [CLIENT] [--no-warm-up] [--pause SECONDS]
//!
//! CLIENT is `after` (the builder with the five settings, what the story shipped),
//! `before` (`Client::new()` once, what it replaced), `each` (a client for each request)
//! or `no-idle` (the builder with `pool_max_idle_per_host(0)`). A pause comes before
//! each request after the first. The last line on stdout says what reqwest itself has
//! logged: requests that were answered, connections that it opened.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

static OPENED: AtomicUsize = AtomicUsize::new(0);

/// Counts what reqwest logs of each connection that it opens.
struct Counter;

impl log::Log for Counter {
    fn enabled(&self, metadata: &log::Metadata) -> bool {
        metadata.target().starts_with("reqwest::connect")
    }

    fn log(&self, record: &log::Record) {
        let opens = record.args().to_string().starts_with("starting new connection");
        if self.enabled(record.metadata()) && opens {
            OPENED.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn flush(&self) {}
}

static COUNTER: Counter = Counter;

struct Options {
    url: String,
    requests: usize,
    client: String,
    warm_up: bool,
    pause: Duration,
}

fn options() -> Result<Options, String> {
    let mut found = Options {
        url: String::new(),
        requests: 1,
        client: "after".into(),
        warm_up: true,
        pause: Duration::ZERO,
    };
    let mut words = std::env::args().skip(1);
    let mut plain = Vec::new();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--no-warm-up" => found.warm_up = false,
            "--pause" => {
                let given = words.next().and_then(|text| text.parse().ok());
                found.pause = Duration::from_secs_f64(given.ok_or("--pause: how long?")?);
            }
            _ => plain.push(word),
        }
    }
    let mut plain = plain.into_iter();
    found.url = plain.next().ok_or("usage: rust_bot URL REQUESTS [CLIENT]")?;
    let requests = plain.next().and_then(|text| text.parse().ok());
    found.requests = requests.ok_or("how many requests?")?;
    found.client = plain.next().unwrap_or(found.client);
    Ok(found)
}

fn build(kind: &str) -> Result<reqwest::Client, String> {
    let idle = match kind {
        "before" => return Ok(reqwest::Client::new()),
        "after" | "each" => 2,
        "no-idle" => 0,
        other => return Err(format!("no client {other:?}: after, before, each or no-idle")),
    };
    reqwest::Client::builder()
        .pool_max_idle_per_host(idle)
        .pool_idle_timeout(Duration::from_secs(60))
        .tcp_keepalive(Duration::from_secs(30))
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_secs(10))
        .build()
        .map_err(|error| error.to_string())
}

async fn get(client: &reqwest::Client, url: &str) -> reqwest::Result<reqwest::StatusCode> {
    let answer = client.get(url).header("xrestservermm", "restserver0").send().await?;
    let status = answer.status();
    answer.bytes().await?; // a connection whose answer was not read is not used again
    Ok(status)
}

/// Returns whether an answer came. A failure is logged, and the bot starts all the same.
async fn warm_up(client: &reqwest::Client, url: &str) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let begin = Instant::now();
    match get(client, &format!("{url}/account?time={}", now.as_millis())).await {
        // Without a key the answer is 401, which proves the connection as well.
        Ok(status) if status.as_u16() == 200 || status.as_u16() == 401 => {
            let took = begin.elapsed().as_millis();
            eprintln!("[INIT] Vest HTTP connection pool warmed up (latency={took}ms)");
            true
        }
        Ok(status) => {
            eprintln!("HTTP warm-up failed (non-fatal): status {status}");
            true
        }
        Err(error) => {
            eprintln!("HTTP warm-up failed (non-fatal): {error}");
            false
        }
    }
}

async fn run(options: &Options) -> Result<(usize, Vec<f64>), String> {
    let client = build(&options.client)?;
    if options.client != "before" {
        eprintln!(
            "[INIT] Vest HTTP client configured: \
             pool_max_idle=2, pool_idle_timeout=60s, tcp_keepalive=30s"
        );
    }
    let mut answered = 0;
    if options.warm_up && warm_up(&client, &options.url).await {
        answered += 1;
    }
    let target = format!("{}/ticker/latest", options.url);
    let mut taken = Vec::new();
    for number in 0..options.requests {
        if number > 0 {
            tokio::time::sleep(options.pause).await;
        }
        let own = match options.client.as_str() {
            "each" => build("each")?,
            _ => client.clone(), // the same pool
        };
        let begin = Instant::now();
        get(&own, &target).await.map_err(|error| format!("{error:?}"))?;
        taken.push(begin.elapsed().as_secs_f64() * 1e3);
        answered += 1;
    }
    Ok((answered, taken))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), String> {
    log::set_logger(&COUNTER).map_err(|error| error.to_string())?;
    log::set_max_level(log::LevelFilter::Debug);
    let (requests, taken) = run(&options()?).await?;
    let ms: Vec<String> = taken.iter().map(|each| format!("{each:.2}")).collect();
    let opened = OPENED.load(Ordering::SeqCst);
    let ms = ms.join(", ");
    println!(r#"{{"requests": {requests}, "connections": {opened}, "ms": [{ms}]}}"#);
    Ok(())
}

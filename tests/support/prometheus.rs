//! Debian's Prometheus (`make prometheus`): promtool, and a server on loopback that scrapes one operator.
#![allow(dead_code, reason = "each test file uses what it needs")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use jiff::Timestamp;
use reqwest::Url;
use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// The alerts of the chart, from the root.
pub const ALERTS: &str = "charts/guestlist/files/alerts.yaml";

/// `prometheus` or `promtool`.
pub fn program(name: &str) -> Command {
    Command::new(Path::new(ROOT).join("target/prometheus/packages/usr/bin").join(name))
}

/// Why this machine cannot run Prometheus.
pub fn without_prometheus() -> Option<String> {
    match program("prometheus").arg("--version").output() {
        Ok(said) => (!said.status.success()).then(|| String::from_utf8_lossy(&said.stderr).trim().to_owned()),
        Err(error) => Some(format!("{} does not start: {error}", program("prometheus").get_program().display())),
    }
}

/// A running server. It is killed when dropped.
pub struct Prometheus {
    process: Child,
    address: String,
    log: PathBuf,
    began: Timestamp,
}

impl Prometheus {
    /// Scrapes an operator each second, with the labels of the chart's `ServiceMonitor`, and evaluates its alerts.
    pub fn start(folder: &Path, operator: &str) -> Self {
        fs::create_dir_all(folder).unwrap();
        let labels = json!({"namespace": "guestlist", "service": "guestlist-metrics", "pod": "guestlist-0",
            "container": "guestlist", "endpoint": "metrics"});
        let config = json!({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [Path::new(ROOT).join(ALERTS)],
            "scrape_configs": [{
                "job_name": "guestlist-metrics",
                "static_configs": [{"targets": [operator], "labels": labels}],
            }],
        });
        let (file, log) = (folder.join("prometheus.yml"), folder.join("prometheus.log"));
        fs::write(&file, config.to_string()).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let process = program("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { process, address, log, began: Timestamp::now() }
    }

    /// The data that the HTTP API answers. `Err`: the error, with the log.
    pub fn api(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let url = Url::parse_with_params(&format!("http://{}/api/v1/{path}", self.address), parameters).unwrap();
        let answer = self.get(&url).map_err(|error| format!("{error}\n{}", self.log()))?;
        let mut answer: Value =
            serde_json::from_str(&answer).map_err(|error| format!("{error}: {answer}\n{}", self.log()))?;
        if answer["status"] == "success" { Ok(answer["data"].take()) } else { Err(format!("{path}: {answer}")) }
    }

    /// The body of an answer. In HTTP/1.0 it ends with the connection.
    fn get(&self, url: &Url) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        write!(stream, "GET {}?{} HTTP/1.0\r\n\r\n", url.path(), url.query().unwrap_or_default())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned())
    }

    /// The series of an expression now, each with its only sample in `values`.
    pub fn instant(&self, expression: &str) -> Result<Vec<Value>, String> {
        let mut data = self.api("query", &[("query", expression)])?;
        let mut series = data["result"].as_array_mut().map(std::mem::take).ok_or_else(|| data.to_string())?;
        for one in &mut series {
            one["values"] = json!([one["value"].take()]);
        }
        Ok(series)
    }

    /// The series of an expression in each second since the start of the server.
    pub fn range(&self, expression: &str) -> Result<Vec<Value>, String> {
        let second = |time: Timestamp| time.as_second().to_string();
        let (start, end) = (second(self.began), second(Timestamp::now()));
        let parameters = [("query", expression), ("start", &start), ("end", &end), ("step", "1")];
        let mut data = self.api("query_range", &parameters)?;
        data["result"].as_array_mut().map(std::mem::take).ok_or_else(|| data.to_string())
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

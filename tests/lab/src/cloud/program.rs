//! `calway-lab cloud`: the cloud and its key server as a program, steered over plain HTTP.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::control;
use super::{Cloud, Options};

/// The program's arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Where the cloud listens (HTTPS); the key server is below /v1/kms there.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// A name under which it is reached as well; the certificate has it.
    #[arg(long = "name", value_name = "HOST")]
    names: Vec<String>,
    /// Where the key server listens too, with an address of its own.
    #[arg(long, value_name = "ADDRESS")]
    kms_listen: Option<SocketAddr>,
    /// Where the program is steered (plain HTTP); a loopback address.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    control: SocketAddr,
    /// The connector's id.
    #[arg(long, default_value = "hq-1", value_name = "ID")]
    connector: String,
    /// The connector's OAuth client id.
    #[arg(long, default_value = "hq-1", value_name = "ID")]
    client_id: String,
    /// The connector's OAuth client secret.
    #[arg(long, default_value = "lab-secret", value_name = "SECRET")]
    client_secret: String,
    /// Write the root of the listeners' certificates here (PEM).
    #[arg(long, value_name = "FILE")]
    ca_out: Option<PathBuf>,
    /// Write the root of the key server's certificate chain here (PEM).
    #[arg(long, value_name = "FILE")]
    anchor_out: Option<PathBuf>,
    /// Print one line of JSON instead of sentences.
    #[arg(long)]
    json: bool,
}

/// Runs until the program is interrupted.
pub async fn run(arguments: Arguments) -> io::Result<()> {
    let options = Options {
        listen: arguments.listen,
        names: arguments.names.clone(),
        kms_listen: arguments.kms_listen,
        connector_id: arguments.connector.clone(),
        client_id: arguments.client_id.clone(),
        client_secret: arguments.client_secret.clone(),
        ..Options::default()
    };
    let cloud = Cloud::start(options).await?;
    if let Some(path) = &arguments.ca_out {
        std::fs::write(path, cloud.ca_pem())?;
    }
    if let Some(path) = &arguments.anchor_out {
        std::fs::write(path, cloud.kms().anchor_pem())?;
    }
    let control = control::start(arguments.control, cloud.clone()).await?;
    announce(&arguments, &cloud, control)?;
    tokio::signal::ctrl_c().await
}

fn announce(arguments: &Arguments, cloud: &Cloud, control: SocketAddr) -> io::Result<()> {
    let path = |path: &Option<PathBuf>| match path {
        Some(path) => json!(path.display().to_string()),
        None => Value::Null,
    };
    let facts = json!({
        "url": cloud.url(),
        "kms": cloud.kms().url(),
        "kmsAddress": cloud.kms().address(),
        "control": format!("http://{control}"),
        "connector": arguments.connector,
        "clientId": arguments.client_id,
        "clientSecret": arguments.client_secret,
        "ca": path(&arguments.ca_out),
        "anchor": path(&arguments.anchor_out),
    });
    let mut out = io::stdout().lock();
    if arguments.json {
        writeln!(out, "{facts}")?;
    } else {
        let fact = |name: &str| facts[name].as_str().unwrap_or("(not written)").to_owned();
        writeln!(out, "Cloud       {}", fact("url"))?;
        writeln!(out, "Key server  {}  ({})", fact("kms"), fact("kmsAddress"))?;
        writeln!(out, "Roots       {}  {}", fact("ca"), fact("anchor"))?;
        writeln!(out, "Connector   {}, {}", fact("connector"), fact("clientId"))?;
        writeln!(out, "Control     {}  (GET / lists what it can do)", fact("control"))?;
    }
    out.flush()
}

//! Keep idle CPUs from sleeping while the target waits for us.
//!
//! Every stop of a thread hands over from one CPU to another. To wake a sleeping one takes 30 us
//! and more in a virtual machine, some microseconds for the rest; a polling one takes none. The
//! kernel grants that to whoever holds this device open, and no longer.
//! Documentation/power/pm_qos_interface.rst, "/dev/cpu_dma_latency".

use std::fs::{File, OpenOptions};
use std::io::Write;

/// CPUs stay awake until it is dropped. Where there is no such device, or no right to it, all goes
/// as before, only slower.
pub struct Awake(Option<File>);

impl Awake {
    pub fn new() -> Self {
        let microseconds = 0i32;
        let open = OpenOptions::new().write(true).open("/dev/cpu_dma_latency");
        let asked = open.and_then(|mut device| {
            device.write_all(&microseconds.to_ne_bytes())?;
            Ok(device)
        });
        Awake(asked.ok())
    }

    pub fn works(&self) -> bool {
        self.0.is_some()
    }
}

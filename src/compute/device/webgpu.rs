//! The WebGPU back-end: shaders/*.wgsl on Vulkan, through wgpu.
//!
//! All kernels are one module; a pipeline is made when its entry point is first asked for.

use super::launch::{Gpu, GpuError, Kept, Launch, Numbers, grid};
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};
use wgpu::util::DeviceExt as _;

/// The kernels, the functions that they share first.
const SOURCE: &str = concat!(
    include_str!("../../../shaders/elementary.wgsl"),
    include_str!("../../../shaders/philox.wgsl"),
    include_str!("../../../shaders/sobol.wgsl"),
    include_str!("../../../shaders/garch_paths.wgsl"),
    include_str!("../../../shaders/scenarios.wgsl"),
    include_str!("../../../shaders/tail.wgsl"),
    include_str!("../../../shaders/cov.wgsl"),
    include_str!("../../../shaders/lstm.wgsl"),
    include_str!("../../../shaders/gru.wgsl"),
    include_str!("../../../shaders/attention.wgsl"),
    include_str!("../../../shaders/limits.wgsl"),
);

const NAME: &str = "wgpu";

/// An open device.
pub struct WebGpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    module: wgpu::ShaderModule,
    pipelines: Mutex<HashMap<&'static str, wgpu::ComputePipeline>>,
    description: String,
    buffer_max: u64,
}

/// This machine's device, opened when it is first asked for.
///
/// # Errors
/// Why there is none.
pub fn device() -> Result<&'static WebGpu, &'static GpuError> {
    static DEVICE: OnceLock<Result<WebGpu, GpuError>> = OnceLock::new();
    DEVICE.get_or_init(WebGpu::open).as_ref()
}

fn driver(what: impl ToString) -> GpuError {
    GpuError::Driver { device: NAME, what: what.to_string() }
}

impl WebGpu {
    /// Opens the fastest adapter that Vulkan offers.
    ///
    /// # Errors
    /// No Vulkan, no adapter, or a driver that refuses.
    pub fn open() -> Result<WebGpu, GpuError> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::VULKAN;
        let instance = wgpu::Instance::new(descriptor);
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..wgpu::RequestAdapterOptions::default()
        };
        let adapter = pollster::block_on(instance.request_adapter(&options)).map_err(|error| {
            driver(format!("no Vulkan adapter ({error}); install a driver, or mesa-vulkan-drivers"))
        })?;
        let (info, limits) = (adapter.get_info(), adapter.limits());
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("bot4"),
            required_limits: limits.clone(),
            ..wgpu::DeviceDescriptor::default()
        }))
        .map_err(driver)?;
        let failed = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("kernels"),
            source: wgpu::ShaderSource::Wgsl(SOURCE.into()),
        });
        if let Some(error) = pollster::block_on(failed.pop()) {
            return Err(driver(format!("the kernels do not compile: {error}")));
        }
        let driver = if info.driver_info.is_empty() { &info.driver } else { &info.driver_info };
        Ok(WebGpu {
            description: format!("{} ({driver})", info.name),
            buffer_max: limits.max_storage_buffer_binding_size,
            device,
            queue,
            module,
            pipelines: Mutex::default(),
        })
    }

    /// What the device calls itself.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    fn pipeline(&self, entry: &'static str) -> wgpu::ComputePipeline {
        let mut pipelines = self.pipelines.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let pipeline = pipelines.entry(entry).or_insert_with(|| {
            self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(entry),
                layout: None,
                module: &self.module,
                entry_point: Some(entry),
                compilation_options: wgpu::PipelineCompilationOptions {
                    // every kernel writes what it reads of its own memory
                    zero_initialize_workgroup_memory: false,
                    ..wgpu::PipelineCompilationOptions::default()
                },
                cache: None,
            })
        });
        pipeline.clone()
    }

    /// Whether a buffer of so many numbers can be bound.
    fn check(&self, numbers: usize) -> Result<(), GpuError> {
        let bytes = bytes(numbers);
        if bytes > self.buffer_max {
            return Err(GpuError::Buffer { device: NAME, bytes, most: self.buffer_max });
        }
        Ok(())
    }

    fn input(&self, label: &str, contents: &[u8]) -> wgpu::Buffer {
        // a binding may not be empty
        let contents = if contents.is_empty() { &[0; 4] } else { contents };
        self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some(label),
            contents,
            usage: wgpu::BufferUsages::STORAGE,
        })
    }
}

/// Bytes of a buffer, which may not be empty.
fn bytes(numbers: usize) -> u64 {
    (numbers.max(1) * size_of::<f32>()) as u64
}

impl Gpu for WebGpu {
    fn run(&self, launch: &Launch) -> Result<Vec<f32>, GpuError> {
        let sent = match &launch.numbers {
            Numbers::Sent(numbers) => numbers.len(),
            Numbers::Kept(_) => 0,
        };
        self.check(launch.out.max(sent))?;
        let failed = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let pipeline = self.pipeline(launch.entry);
        let words = self.input("words", bytemuck::cast_slice(&launch.words));
        let fresh;
        let numbers = match &launch.numbers {
            Numbers::Sent(numbers) => {
                fresh = self.input("numbers", bytemuck::cast_slice(numbers));
                Some(&fresh)
            }
            Numbers::Kept(kept) => kept.buffer::<wgpu::Buffer>(),
        };
        let numbers = numbers.ok_or_else(|| driver("these numbers are kept by another device"))?;
        let buffer = |label, size, usage| {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        let (copied, read) = (wgpu::BufferUsages::COPY_SRC, wgpu::BufferUsages::MAP_READ);
        let out = buffer("out", bytes(launch.out), wgpu::BufferUsages::STORAGE | copied);
        let back = buffer("back", bytes(launch.wanted.len()), read | wgpu::BufferUsages::COPY_DST);
        let layout = pipeline.get_bind_group_layout(0);
        let bound = [&words, numbers, &out].map(wgpu::Buffer::as_entire_binding);
        let entry = |(binding, resource)| wgpu::BindGroupEntry { binding, resource };
        let entries: Vec<_> = (0..).zip(bound).map(entry).collect();
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(launch.entry),
            layout: &layout,
            entries: &entries,
        });
        let mut encoder =
            self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            let (columns, rows) = grid(launch.groups);
            pass.dispatch_workgroups(columns, rows, 1);
        }
        let from = (launch.wanted.start * size_of::<f32>()) as u64;
        encoder.copy_buffer_to_buffer(&out, from, &back, 0, bytes(launch.wanted.len()));
        self.queue.submit([encoder.finish()]);
        let slice = back.slice(..);
        let (send, receive) = std::sync::mpsc::channel();
        slice.map_async(wgpu::MapMode::Read, move |mapped| {
            // the receiver waits below
            let _ = send.send(mapped);
        });
        self.device.poll(wgpu::PollType::wait_indefinitely()).map_err(driver)?;
        if let Some(error) = pollster::block_on(failed.pop()) {
            return Err(driver(error));
        }
        let mapped = receive.recv().map_err(|_| driver("the device went away"))?;
        mapped.map_err(driver)?;
        let view = slice.get_mapped_range().map_err(driver)?;
        let numbers = bytemuck::pod_collect_to_vec::<u8, f32>(&view);
        drop(view);
        back.unmap();
        Ok(numbers[..launch.wanted.len()].to_vec())
    }

    fn keep(&self, numbers: &[f32]) -> Result<Kept, GpuError> {
        self.check(numbers.len())?;
        Ok(Kept::new(self.input("kept", bytemuck::cast_slice(numbers))))
    }

    fn lanes(&self) -> usize {
        // a poll waits for everything that was submitted
        1
    }

    fn buffer_max(&self) -> u64 {
        self.buffer_max
    }
}

//! Steps of a stream a second, one thread: ONNX Runtime by its C interface with every tensor laid out before, and tract.
//!
//! `steps LIBRARY MODEL` prints one JSON line a peer. LIBRARY is libonnxruntime.so (the PyPI wheel holds one); a
//! peer that cannot run the model is one line on stderr.

use ort_sys::{OrtApi, OrtApiBase, OrtStatusPtr, OrtValue};
use std::ffi::{CStr, CString, c_char};
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};
use tract_onnx::prelude::*;

type Failure = Box<dyn std::error::Error>;

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(200);

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (Some(library), Some(model)) = (arguments.next(), arguments.next()) else {
        return Err("steps LIBRARY MODEL".into());
    };
    let shapes = Shapes::of(&model)?;
    let peers = [onnx_runtime(&library, &model, &shapes), tract(&model, &shapes)];
    for peer in peers {
        match peer {
            Ok((name, rate)) => println!("{{\"peer\": \"{name}\", \"rate\": {rate}}}"),
            Err(error) => eprintln!("SKIPPED (1): {error}"),
        }
    }
    Ok(())
}

/// Best rate of several rounds.
fn best(mut step: impl FnMut()) -> f64 {
    (0..ROUNDS)
        .map(|_| {
            let (began, mut steps) = (Instant::now(), 0_u32);
            while began.elapsed() < ROUND {
                (0..64).for_each(|_| step());
                steps += 64;
            }
            f64::from(steps) / began.elapsed().as_secs_f64()
        })
        .fold(0.0, f64::max)
}

/// Names and sizes of what goes in and comes out.
struct Shapes {
    inputs: Vec<(String, Vec<usize>)>,
    outputs: Vec<(String, Vec<usize>)>,
}

impl Shapes {
    fn of(model: &str) -> Result<Shapes, Failure> {
        let model = tract_onnx::onnx().model_for_path(model)?.into_typed()?;
        let list = |places: &[OutletId], of_node: bool| {
            let one = |place: &OutletId| {
                let fact = model.outlet_fact(*place)?;
                let shape = fact.shape.as_concrete().ok_or("a shape that is open")?.to_vec();
                let label = model.outlet_label(*place).filter(|_| !of_node);
                let name = label.unwrap_or(&model.node(place.node).name).to_owned();
                Ok((name, shape))
            };
            places.iter().map(one).collect::<Result<Vec<_>, Failure>>()
        };
        Ok(Shapes {
            inputs: list(model.input_outlets()?, true)?,
            outputs: list(model.output_outlets()?, false)?,
        })
    }
}

fn tract(model: &str, shapes: &Shapes) -> Result<(String, f64), Failure> {
    let plan = tract_onnx::onnx().model_for_path(model)?.into_optimized()?.into_runnable()?;
    let zeros = |(_, shape): &(String, Vec<usize>)| Ok(Tensor::zero::<f32>(shape)?.into_tvalue());
    let inputs = shapes.inputs.iter().map(zeros).collect::<Result<TVec<TValue>, Failure>>()?;
    let mut state = SimpleState::new(&plan)?;
    state.run(inputs.clone())?;
    let rate = best(|| {
        state.run(inputs.clone()).expect("it ran before");
    });
    Ok((format!("tract {}, f32", env!("TRACT")), rate))
}

/// ONNX Runtime's word for a failure.
fn check(api: &OrtApi, status: OrtStatusPtr) -> Result<(), Failure> {
    if status.0.is_null() {
        return Ok(());
    }
    // SAFETY: a status that is not null has a message.
    let message = unsafe { CStr::from_ptr((api.GetErrorMessage)(status.0)) };
    Err(message.to_string_lossy().into_owned().into())
}

fn onnx_runtime(library: &str, model: &str, shapes: &Shapes) -> Result<(String, f64), Failure> {
    // SAFETY: the library's documented entry points, called as its header says; every pointer handed over
    // lives until the last run.
    unsafe {
        let library = libloading::Library::new(library)?;
        let base =
            library.get::<unsafe extern "C" fn() -> *const OrtApiBase>(b"OrtGetApiBase\0")?;
        let base = &*base();
        let version = CStr::from_ptr((base.GetVersionString)()).to_string_lossy().into_owned();
        let api = (base.GetApi)(ort_sys::ORT_API_VERSION);
        let api = api.as_ref().ok_or("a library older than its interface")?;
        let (mut env, mut options, mut session, mut memory) =
            (null_mut(), null_mut(), null_mut(), null_mut());
        let model = CString::new(model)?;
        let level = ort_sys::OrtLoggingLevel::ORT_LOGGING_LEVEL_ERROR;
        check(api, (api.CreateEnv)(level, c"steps".as_ptr(), &mut env))?;
        check(api, (api.CreateSessionOptions)(&mut options))?;
        check(api, (api.SetIntraOpNumThreads)(options, 1))?;
        check(api, (api.SetInterOpNumThreads)(options, 1))?;
        let all = ort_sys::GraphOptimizationLevel::ORT_ENABLE_ALL;
        check(api, (api.SetSessionGraphOptimizationLevel)(options, all))?;
        check(api, (api.CreateSession)(env, model.as_ptr(), options, &mut session))?;
        let arena = ort_sys::OrtAllocatorType::OrtArenaAllocator;
        let memory_type = ort_sys::OrtMemType::OrtMemTypeDefault;
        check(api, (api.CreateCpuMemoryInfo)(arena, memory_type, &mut memory))?;
        let mut kept: Vec<Vec<f32>> = Vec::new();
        let mut tensors = |list: &[(String, Vec<usize>)]| -> Result<_, Failure> {
            let (mut names, mut values) = (Vec::new(), Vec::<*mut OrtValue>::new());
            for (name, shape) in list {
                let mut numbers = vec![0.0_f32; shape.iter().product()];
                let sizes: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
                let mut value = null_mut();
                let f32s = ort_sys::ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
                let (to, bytes) = (numbers.as_mut_ptr().cast(), size_of_val(&numbers[..]));
                check(
                    api,
                    (api.CreateTensorWithDataAsOrtValue)(
                        memory,
                        to,
                        bytes,
                        sizes.as_ptr(),
                        sizes.len(),
                        f32s,
                        &mut value,
                    ),
                )?;
                kept.push(numbers);
                names.push(CString::new(name.as_str())?);
                values.push(value);
            }
            Ok((names, values))
        };
        let (input_names, inputs) = tensors(&shapes.inputs)?;
        let (output_names, mut outputs) = tensors(&shapes.outputs)?;
        let pointers =
            |names: &[CString]| names.iter().map(|n| n.as_ptr()).collect::<Vec<*const c_char>>();
        let (input_names_at, output_names_at) = (pointers(&input_names), pointers(&output_names));
        let mut run = || {
            (api.Run)(
                session,
                null(),
                input_names_at.as_ptr(),
                inputs.as_ptr().cast(),
                inputs.len(),
                output_names_at.as_ptr(),
                outputs.len(),
                outputs.as_mut_ptr(),
            )
        };
        check(api, run())?;
        let rate = best(|| assert!(run().0.is_null(), "it ran before"));
        Ok((format!("ONNX Runtime {version} by its C interface, f32"), rate))
    }
}

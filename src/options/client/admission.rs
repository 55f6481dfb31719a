//! What a client holds back for its service and its callers: budgets, hedges, limits and throttles.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::config::{BudgetChoice, ClientConfig};
use crate::options::form::{COUNT, FACTOR, Form, LIMIT, POSITIVE, RATIO, WAIT};
use crate::options::number;
use crate::options::setting::Setting;
use crate::options::value::{OFF, Problem, Value};
use crate::policy::{BudgetConfig, GradientConfig, HedgeDelay, LimitConfig, ThrottleConfig};

const LIVE: &str = "live";

/// The counters of a budget hold 1 s to 60 s.
const BUDGET_WINDOW: Form = Form::Duration(Duration::from_secs(1), Duration::from_secs(60));

pub(super) const SETTINGS: &[Setting<ClientConfig>] = &[
    Setting::new("profile", Form::Choice(&["resilient"]))
        .purpose("Many settings at once. resilient hedges the slowest twentieth of calls and limits calls in flight to 1024, beyond which 1024 more wait for up to 1s; what is on already stays as it is")
        .cost("See hedge_delay, max_in_flight and wait_queue_length.")
        .other_setter("use_resilient_profile", "there is one profile, and a function for it")
        .field(
            |_| None,
            |config, _| {
                config.make_resilient();
                Ok(())
            },
        ),
    Setting::new("retry_budget", FACTOR)
        .or(&[OFF])
        .purpose("The extra attempts that retries and hedges of all calls together may make, as a share of the calls; off without limit on the tries unless it is set")
        .cost("A service in trouble gets that much more load, multiplied at each layer of services.")
        .setter("set_retry_budget")
        .field(
            |config| Some(Value::or_off(config.retry_budget().map(|budget| budget.ratio))),
            |config, value| {
                config.budget = match value.unless_off(Value::factor)? {
                    None => BudgetChoice::Off,
                    Some(ratio) => BudgetChoice::Set(BudgetConfig { ratio, ..budget(config) }),
                };
                Ok(())
            },
        ),
    Setting::new("retry_budget_floor", COUNT)
        .purpose("The extra attempts a second that the budget allows in any case; 0 is better in a fleet of more than 1,000 clients; switches the budget on")
        .cost("Every client of a fleet adds that much load to a service in trouble.")
        .setter("set_retry_budget")
        .field(
            |config| config.retry_budget().map(|budget| budget.floor_per_second.into()),
            |config, value| {
                let floor_per_second = value.count()?;
                let budget = BudgetConfig { floor_per_second, ..budget(config) };
                config.budget = BudgetChoice::Set(budget);
                Ok(())
            },
        ),
    Setting::new("retry_budget_window", BUDGET_WINDOW)
        .purpose("The time over which the budget counts calls; switches the budget on")
        .cost("Calls of a quiet time pay for more attempts at once.")
        .setter("set_retry_budget")
        .field(
            |config| config.retry_budget().map(|budget| budget.window.into()),
            |config, value| {
                let budget = BudgetConfig { window: value.duration()?, ..budget(config) };
                config.budget = BudgetChoice::Set(budget);
                Ok(())
            },
        ),
    Setting::new("retry_budget_stock", COUNT)
        .purpose("The extra attempts in stock for when the budget bears no more, as in a burst of calls on a new client; ten successful calls put one back. 0 where retry_budget is set, unless it is set too. Switches the budget on")
        .cost("Every client of a fleet may add that much load at once to a service in trouble.")
        .setter("set_retry_budget_stock")
        .field(
            |config| config.retry_budget().map(|budget| budget.stock.into()),
            |config, value| {
                let budget = BudgetConfig { stock: value.count()?, ..config.retry_budget().unwrap_or_default() };
                config.budget = BudgetChoice::Set(budget);
                Ok(())
            },
        ),
    Setting::new("hedge_delay", LIMIT)
        .or(&[LIVE, OFF])
        .purpose("The time after which an attempt without an answer gets a copy at another endpoint; live is the time in which all but hedge_max_extra of the last answers came. Only for a client with a balancer")
        .cost("Slow calls wait for longer for their copy; switching it on costs hedge_max_extra more attempts.")
        .setter("set_hedge_delay_ms")
        .field(
            |config| {
                Some(match config.hedge.delay {
                    None => Value::Word(OFF),
                    Some(HedgeDelay::Live) => Value::Word(LIVE),
                    Some(HedgeDelay::Fixed(delay)) => delay.into(),
                })
            },
            |config, value| {
                config.hedge.delay = match value {
                    Value::Word(OFF) => None,
                    Value::Word(_) => Some(HedgeDelay::Live),
                    value => Some(HedgeDelay::Fixed(value.duration()?)),
                };
                Ok(())
            },
        ),
    Setting::new("hedge_max_extra", RATIO)
        .purpose("The share of calls that may get a copy")
        .cost("That much more load.")
        .setter("set_hedge")
        .field(
            |config| Some(config.hedge.max_extra.into()),
            |config, value| {
                config.hedge.max_extra = value.ratio()?;
                Ok(())
            },
        ),
    Setting::new("max_in_flight", POSITIVE)
        .or(&[OFF])
        .purpose("How many calls are in flight at once, in place of adaptive_limit")
        .cost("The service may get that many calls at once.")
        .setter("set_max_in_flight")
        .field(
            |config| match config.limit {
                None => Some(Value::Word(OFF)),
                Some(LimitConfig::Fixed(calls)) => Some(calls.into()),
                Some(LimitConfig::Gradient(_)) => None,
            },
            |config, value| {
                match value.unless_off(Value::positive)? {
                    Some(calls) => config.limit = Some(LimitConfig::Fixed(calls)),
                    None if matches!(config.limit, Some(LimitConfig::Fixed(_))) => {
                        config.limit = None;
                    }
                    None => {}
                }
                Ok(())
            },
        ),
    Setting::new("adaptive_limit", Form::Text("the least and the most calls, such as 20-200, or 50:20-200 to start with 50"))
        .or(&[OFF])
        .purpose("How many calls are in flight at once, by how fast answers come (Gradient2), in place of max_in_flight")
        .cost("The service may get that many calls at once.")
        .setter("set_adaptive_limit")
        .field(
            |config| match config.limit {
                None => Some(Value::Word(OFF)),
                Some(LimitConfig::Fixed(_)) => None,
                Some(LimitConfig::Gradient(GradientConfig { start, floor, ceiling })) => {
                    Some(adaptive_limit_text(start, floor, ceiling).into())
                }
            },
            |config, value| {
                match value.unless_off(Value::text)? {
                    Some(text) => config.limit = Some(LimitConfig::Gradient(gradient(&text)?)),
                    None if matches!(config.limit, Some(LimitConfig::Gradient(_))) => {
                        config.limit = None;
                    }
                    None => {}
                }
                Ok(())
            },
        ),
    Setting::new("wait_queue_length", COUNT)
        .purpose("How many calls may wait for room below the limit on calls in flight")
        .cost("Calls that wait hold their callers.")
        .setter("set_wait_queue")
        .field(
            |config| Some(config.shedding.queue_length.into()),
            |config, value| {
                config.shedding.queue_length = value.size()?;
                Ok(())
            },
        ),
    Setting::new("wait_queue_timeout", WAIT)
        .purpose("How long a call waits for room at most")
        .cost("Calls that are refused in the end are refused later.")
        .setter("set_wait_queue")
        .field(
            |config| Some(config.shedding.queue_wait.into()),
            |config, value| {
                config.shedding.queue_wait = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("adaptive_throttle", Form::Real(1.0, f64::MAX))
        .or(&[OFF])
        .within(throttled)
        .purpose("How many calls are sent for one that is accepted, while the service refuses most (client-side throttling)")
        .cost("A service in trouble gets more calls; lowering it refuses calls that would have been accepted.")
        .setter("set_adaptive_throttle")
        .field(
            |config| Some(Value::or_off(config.throttle.map(|throttle| throttle.k))),
            |config, value| {
                let throttle = config.throttle.unwrap_or_default();
                let k = value.unless_off(Value::factor)?;
                config.throttle = k.map(|k| ThrottleConfig { k, ..throttle });
                Ok(())
            },
        ),
    Setting::new("adaptive_throttle_window", LIMIT)
        .within(throttled)
        .purpose("The time over which accepted and refused calls are counted; switches the throttle on")
        .cost("It takes longer to begin and to end.")
        .setter("set_adaptive_throttle")
        .field(
            |config| config.throttle.map(|throttle| throttle.window.into()),
            |config, value| {
                let window = value.duration()?;
                let throttle = config.throttle.unwrap_or_default();
                config.throttle = Some(ThrottleConfig { window, ..throttle });
                Ok(())
            },
        ),
];

fn throttled() -> ClientConfig {
    let throttle = Some(ThrottleConfig::default());
    ClientConfig { throttle, ..ClientConfig::default() }
}

/// The budget as set so far.
fn budget(config: &ClientConfig) -> BudgetConfig {
    match config.budget {
        BudgetChoice::Set(budget) => budget,
        // A budget that is set is all there is, but for a stock that is set as well.
        BudgetChoice::Default | BudgetChoice::Off => {
            BudgetConfig { stock: 0, ..BudgetConfig::default() }
        }
    }
}

/// The limit as text that the row reads.
pub(crate) fn adaptive_limit_text(start: u32, floor: u32, ceiling: u32) -> String {
    match start == floor {
        true => format!("{floor}-{ceiling}"),
        false => format!("{start}:{floor}-{ceiling}"),
    }
}

/// `20-200`, or `50:20-200` with a start.
fn gradient(text: &str) -> Result<GradientConfig, Problem> {
    let (start, range) =
        text.split_once(':').map_or((None, text), |(start, range)| (Some(start), range));
    let no_range = || Problem::from(format!("{text} is no range such as 20-200"));
    let (floor, ceiling) = range.split_once('-').ok_or_else(no_range)?;
    let floor = limit("floor", floor)?;
    let ceiling = limit("ceiling", ceiling)?;
    let start = start.map_or(Ok(floor), |start| limit("start", start))?;
    if ceiling < floor {
        return Err(Problem::Part("ceiling", "is below floor".to_owned()));
    }
    if !(floor..=ceiling).contains(&start) {
        return Err(Problem::Part("start", "is not between floor and ceiling".to_owned()));
    }
    Ok(GradientConfig { start, floor, ceiling })
}

fn limit(part: &'static str, text: &str) -> Result<u32, Problem> {
    let limit = number::count(text.trim())?;
    let limit = u32::try_from(limit).ok().and_then(NonZeroU32::new);
    let problem = || Problem::Part(part, "is 0 or too large; the least is 1".to_owned());
    limit.map(NonZeroU32::get).ok_or_else(problem)
}

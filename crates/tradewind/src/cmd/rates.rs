//! `tradewind rates`: what the carriers ask for a parcel, side by side.

use anyhow::{Context as _, bail};
use tradewind_domain::{
    AccountId, Address, Country, Currency, Decimal, Dimensions, Grams, Incoterm, Money, Parcel, WeightUnit,
};
use tradewind_gateway::Gateway;
use tradewind_gateway::rates::{Offered, Offers};

use crate::context::{self, ConfigArg, block_on, watched};
use crate::output::{self, Exit, Output};

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["order", "parcel"])))]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// The order whose parcel is priced: the channel's id, or the number that people see.
    order: Option<String>,
    /// Account of the order, where several have one of this number.
    #[arg(long, requires = "order")]
    channel: Option<AccountId>,
    /// A parcel of no order: weight, and size in centimetres unless it is that of the shipping section, such as 1.2kg or 800g,30x20x12.
    #[arg(long, requires = "to")]
    parcel: Option<String>,
    /// Where it goes: COUNTRY, and what the carrier asks for besides: COUNTRY,POSTCODE,CITY.
    #[arg(long, value_name = "PLACE", conflicts_with = "order")]
    to: Option<String>,
    /// Value of its goods, needed over a customs border, such as "20.00 EUR".
    #[arg(long, conflicts_with = "order")]
    value: Option<String>,
    /// Who pays duty and tax: dap (the receiver) or ddp (we).
    #[arg(long, conflicts_with = "order", default_value = "dap", value_parser = ["dap", "ddp"])]
    incoterm: String,
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let opened = args.config.open()?;
    let gateway = &opened.gateway;
    context::note_no_account(out, &gateway.config);
    if let Some(channel) = &args.channel {
        context::known(&gateway.config, channel)?;
    }
    let offers = block_on(watched(out, gateway, "asking carriers", async {
        let request = match (&args.order, &args.parcel) {
            (Some(order), _) => {
                let order = gateway.find_order(order, args.channel.as_ref()).await?;
                gateway.parcel_of(&order).await?
            }
            (None, Some(parcel)) => {
                let to = place(args.to.as_deref().unwrap_or_default())?;
                let value = args.value.as_deref().map(money).transpose()?;
                let incoterm = if args.incoterm == "ddp" { Incoterm::Ddp } else { Incoterm::Dap };
                gateway.a_parcel(self::parcel(gateway, parcel)?, to, value, incoterm)?
            }
            (None, None) => bail!("say which ORDER, or describe a --parcel"),
        };
        Ok(gateway.rates(request).await?)
    }))?;
    if out.is_json() {
        // Not whom it is for: rates are asked of places.
        let offered = serde_json::json!({"asked": offers.asked, "failed": offers.failed, "notes": offers.notes,
            "parcels": offers.request.parcels, "value": offers.request.value, "offers": offers.offers});
        out.json(&offered)?;
    } else {
        tell(out, &offers)?;
    }
    Ok(Exit::of_failures(offers.failed, offers.asked, false))
}

fn tell(out: &Output, offers: &Offers) -> anyhow::Result<()> {
    for note in &offers.notes {
        out.note(note);
    }
    let r = &offers.request;
    let grams: u64 = r.parcels.iter().map(|p| p.weight.0).sum();
    let kilograms = Grams(grams).kilograms().normalize();
    let size = |p: &Parcel| {
        let d = p.dimensions;
        let cm = |mm: u32| (Decimal::from(mm) / Decimal::TEN).normalize();
        format!("{}×{}×{} cm", cm(d.length_mm), cm(d.width_mm), cm(d.height_mm))
    };
    let size = r.parcels.first().map(size).unwrap_or_default();
    let value = r.value.map(|v| format!(", goods of {v}")).unwrap_or_default();
    out.text(format!(
        "{kilograms} kg, {size}, {} to {}{value}, {}",
        r.from.country,
        r.to.country,
        r.incoterm.code()
    ))?;
    if offers.offers.is_empty() {
        return out.text("no carrier offers to take it");
    }
    let mut table = output::table();
    table.set_header(["account", "product", "name", "price", "delivered (local)", ""]);
    for o in &offers.offers {
        table.add_row([
            o.account.to_string(),
            o.quote.product.clone(),
            o.quote.name.clone(),
            price(o),
            o.quote.delivery.map(|d| d.strftime("%Y-%m-%d %H:%M").to_string()).unwrap_or_default(),
            mark(o).to_owned(),
        ]);
    }
    out.text(table.to_string())
}

fn price(o: &Offered) -> String {
    let compared = o.compared.map(|m| format!(" (≈ {m})")).unwrap_or_default();
    format!("{}{compared}", o.quote.price)
}

fn mark(o: &Offered) -> &'static str {
    match (o.cheapest, o.fastest) {
        (true, true) => "cheapest, fastest",
        (true, false) => "cheapest",
        (false, true) => "fastest",
        (false, false) => "",
    }
}

/// `1.2kg`, `800g`, with `,30x20x12` in centimetres.
fn parcel(gateway: &Gateway, text: &str) -> anyhow::Result<Parcel> {
    let wrong = || format!("--parcel '{text}': write a weight and a size, such as 1.2kg or 800g,30x20x12");
    let (weight, size) = match text.split_once(',') {
        Some((weight, size)) => (weight.trim(), Some(size.trim())),
        None => (text.trim(), None),
    };
    let number = |t: &str| tradewind_domain::parse_decimal(t.trim()).ok();
    let weight = match (weight.strip_suffix("kg"), weight.strip_suffix('g')) {
        (Some(n), _) => number(n).and_then(|n| Grams::from_unit(n, WeightUnit::Kilogram)),
        (None, Some(n)) => number(n).and_then(|n| Grams::from_unit(n, WeightUnit::Gram)),
        (None, None) => None,
    };
    let weight = weight.filter(|w| w.0 > 0).with_context(wrong)?;
    let [length_mm, width_mm, height_mm] = match size {
        None => gateway.sender()?.parcel_mm,
        Some(size) => {
            // Whole millimetres, rounded up as carriers do.
            let mm = |t: &str| -> Option<u32> {
                let mm = number(t)?.checked_mul(Decimal::TEN)?.ceil();
                u32::try_from(mm).ok().filter(|mm| *mm > 0)
            };
            let sides: Option<Vec<u32>> = size.trim_end_matches("cm").split('x').map(mm).collect();
            sides.and_then(|s| <[u32; 3]>::try_from(s).ok()).with_context(wrong)?
        }
    };
    Ok(Parcel { weight, dimensions: Dimensions { length_mm, width_mm, height_mm } })
}

/// `JP`, `JP,530-0001`, `JP,530-0001,Osaka`.
fn place(text: &str) -> anyhow::Result<Address> {
    let mut parts = text.splitn(3, ',').map(str::trim);
    let country = Country::new(parts.next().unwrap_or_default())
        .with_context(|| format!("--to '{text}': write COUNTRY,POSTCODE,CITY, such as JP,530-0001,Osaka"))?;
    let part = |p: Option<&str>| p.filter(|p| !p.is_empty()).map(str::to_owned);
    let (postcode, city) = (part(parts.next()), part(parts.next()));
    Ok(Address { postcode, city, ..Address::in_country(country) })
}

fn money(text: &str) -> anyhow::Result<Money> {
    let wrong = || format!("--value '{text}': write an amount and a currency, such as \"20.00 EUR\"");
    let (amount, currency) = text.trim().split_once(' ').with_context(wrong)?;
    let money =
        Money::parse(amount, Currency::new(currency.trim()).with_context(wrong)?).with_context(wrong)?;
    if !money.is_positive() {
        bail!(wrong());
    }
    Ok(money)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_values_are_read_and_mistakes_are_named() {
        let osaka = place("JP, 530-0001,Osaka").unwrap();
        assert_eq!(
            (osaka.country.code(), osaka.postcode.as_deref(), osaka.city.as_deref()),
            ("JP", Some("530-0001"), Some("Osaka"))
        );
        assert_eq!(place("DE").unwrap().city, None);
        assert!(format!("{:#}", place("Japan").unwrap_err()).contains("COUNTRY,POSTCODE,CITY"));
        assert_eq!(money("20.00 EUR").unwrap().minor(), 2_000);
        for wrong in ["20.00", "EUR 20", "-1.00 EUR", "20.001 EUR"] {
            assert!(money(wrong).is_err(), "{wrong}");
        }
    }
}

//! Languages that have a code of two letters and one of three. BCP 47 knows such a language by the two alone (RFC 5646,
//! section 2.2.1: the shortest code), so that `deu` names nothing that `de` names.

/// The code of two letters of a language that is written with three (ISO 639-2, terminological or bibliographic). `None` for a
/// language that has three alone, such as `fil`.
#[must_use]
pub fn two_letter_language(three: &str) -> Option<&'static str> {
    let find = |table: &'static str| {
        table.split_ascii_whitespace().find_map(|pair| pair.strip_prefix(three)?.strip_prefix('='))
    };
    (three.len() == 3).then(|| find(TERMINOLOGICAL).or_else(|| find(BIBLIOGRAPHIC))).flatten()
}

/// All codes of three letters that have one of two.
#[must_use]
pub fn three_letter_codes_to_shorten() -> Vec<&'static str> {
    let pairs = TERMINOLOGICAL.split_ascii_whitespace().chain(BIBLIOGRAPHIC.split_ascii_whitespace());
    pairs.filter_map(|pair| Some(pair.split_once('=')?.0)).collect()
}

/// The code list of the Library of Congress, registration authority of ISO 639-2.
const TERMINOLOGICAL: &str = "aar=aa abk=ab ave=ae afr=af aka=ak amh=am arg=an ara=ar asm=as ava=av aym=ay aze=az bak=ba bel=be \
    bul=bg bis=bi bam=bm ben=bn bod=bo bre=br bos=bs cat=ca che=ce cha=ch cos=co cre=cr ces=cs chu=cu chv=cv cym=cy dan=da \
    deu=de div=dv dzo=dz ewe=ee ell=el eng=en epo=eo spa=es est=et eus=eu fas=fa ful=ff fin=fi fij=fj fao=fo fra=fr fry=fy \
    gle=ga gla=gd glg=gl grn=gn guj=gu glv=gv hau=ha heb=he hin=hi hmo=ho hrv=hr hat=ht hun=hu hye=hy her=hz ina=ia ind=id \
    ile=ie ibo=ig iii=ii ipk=ik ido=io isl=is ita=it iku=iu jpn=ja jav=jv kat=ka kon=kg kik=ki kua=kj kaz=kk kal=kl khm=km \
    kan=kn kor=ko kau=kr kas=ks kur=ku kom=kv cor=kw kir=ky lat=la ltz=lb lug=lg lim=li lin=ln lao=lo lit=lt lub=lu lav=lv \
    mlg=mg mah=mh mri=mi mkd=mk mal=ml mon=mn mar=mr msa=ms mlt=mt mya=my nau=na nob=nb nde=nd nep=ne ndo=ng nld=nl nno=nn \
    nor=no nbl=nr nav=nv nya=ny oci=oc oji=oj orm=om ori=or oss=os pan=pa pli=pi pol=pl pus=ps por=pt que=qu roh=rm run=rn \
    ron=ro rus=ru kin=rw san=sa srd=sc snd=sd sme=se sag=sg sin=si slk=sk slv=sl smo=sm sna=sn som=so sqi=sq srp=sr ssw=ss \
    sot=st sun=su swe=sv swa=sw tam=ta tel=te tgk=tg tha=th tir=ti tuk=tk tgl=tl tsn=tn ton=to tur=tr tso=ts tat=tt twi=tw \
    tah=ty uig=ug ukr=uk urd=ur uzb=uz ven=ve vie=vi vol=vo wln=wa wol=wo xho=xh yid=yi yor=yo zha=za zho=zh zul=zu";

const BIBLIOGRAPHIC: &str = "tib=bo cze=cs wel=cy ger=de gre=el baq=eu per=fa fre=fr arm=hy ice=is geo=ka mao=mi mac=mk may=ms \
    bur=my dut=nl rum=ro slo=sk alb=sq chi=zh";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_code_is_the_one() {
        for (three, two) in
            [("deu", "de"), ("ger", "de"), ("zho", "zh"), ("chi", "zh"), ("zul", "zu"), ("aar", "aa")]
        {
            assert_eq!(two_letter_language(three), Some(two));
        }
        // Filipino and Cebuano have three letters alone; and no pair is found by a part of it.
        for none in ["fil", "ceb", "de", "", "=de", "deu=de"] {
            assert_eq!(two_letter_language(none), None, "{none}");
        }
    }
}

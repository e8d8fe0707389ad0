"""Countries by their English names, for the transform ``country``. Source of the codes: ISO 3166-1 alpha-2."""

from __future__ import annotations

_NAMES = """
AD andorra; AE united arab emirates, uae; AF afghanistan; AG antigua and barbuda; AI anguilla; AL albania; AM armenia;
AO angola; AQ antarctica; AR argentina; AS american samoa; AT austria; AU australia; AW aruba; AX aland islands;
AZ azerbaijan; BA bosnia and herzegovina; BB barbados; BD bangladesh; BE belgium; BF burkina faso; BG bulgaria;
BH bahrain; BI burundi; BJ benin; BL saint barthelemy; BM bermuda; BN brunei, brunei darussalam; BO bolivia;
BQ bonaire; BR brazil; BS bahamas; BT bhutan; BV bouvet island; BW botswana; BY belarus;
BZ belize; CA canada; CC cocos islands; CD democratic republic of the congo; CF central african republic;
CG republic of the congo, congo; CH switzerland; CI ivory coast, cote d'ivoire; CK cook islands; CL chile; CM cameroon;
CN china; CO colombia; CR costa rica; CU cuba; CV cape verde, cabo verde; CW curacao; CX christmas island; CY cyprus;
CZ czechia, czech republic; DE germany, deutschland; DJ djibouti; DK denmark; DM dominica; DO dominican republic;
DZ algeria; EC ecuador; EE estonia; EG egypt; EH western sahara; ER eritrea; ES spain; ET ethiopia; FI finland; FJ fiji;
FK falkland islands; FM micronesia; FO faroe islands; FR france; GA gabon;
GB united kingdom, uk, great britain, england, scotland, wales, northern ireland; GD grenada; GE georgia;
GF french guiana; GG guernsey; GH ghana; GI gibraltar; GL greenland; GM gambia; GN guinea; GP guadeloupe;
GQ equatorial guinea; GR greece; GS south georgia and the south sandwich islands; GT guatemala; GU guam;
GW guinea-bissau; GY guyana; HK hong kong; HM heard island and mcdonald islands; HN honduras; HR croatia; HT haiti;
HU hungary; ID indonesia; IE ireland, republic of ireland; IL israel; IM isle of man; IN india;
IO british indian ocean territory; IQ iraq; IR iran; IS iceland; IT italy; JE jersey; JM jamaica; JO jordan; JP japan;
KE kenya; KG kyrgyzstan; KH cambodia; KI kiribati; KM comoros; KN saint kitts and nevis; KP north korea;
KR south korea, korea, republic of korea; KW kuwait; KY cayman islands; KZ kazakhstan; LA laos; LB lebanon;
LC saint lucia; LI liechtenstein; LK sri lanka; LR liberia; LS lesotho; LT lithuania; LU luxembourg; LV latvia;
LY libya; MA morocco; MC monaco; MD moldova; ME montenegro; MF saint martin; MG madagascar; MH marshall islands;
MK north macedonia; ML mali; MM myanmar; MN mongolia; MO macao, macau; MP northern mariana islands; MQ martinique;
MR mauritania; MS montserrat; MT malta; MU mauritius; MV maldives; MW malawi; MX mexico; MY malaysia; MZ mozambique;
NA namibia; NC new caledonia; NE niger; NF norfolk island; NG nigeria; NI nicaragua; NL netherlands, holland;
NO norway; NP nepal; NR nauru; NU niue; NZ new zealand; OM oman; PA panama; PE peru; PF french polynesia;
PG papua new guinea; PH philippines; PK pakistan; PL poland; PM saint pierre and miquelon; PN pitcairn; PR puerto rico;
PS palestine; PT portugal; PW palau; PY paraguay; QA qatar; RE reunion; RO romania; RS serbia;
RU russia, russian federation; RW rwanda; SA saudi arabia; SB solomon islands; SC seychelles; SD sudan; SE sweden;
SG singapore; SH saint helena; SI slovenia; SJ svalbard and jan mayen; SK slovakia; SL sierra leone; SM san marino;
SN senegal; SO somalia; SR suriname; SS south sudan; ST sao tome and principe; SV el salvador; SX sint maarten;
SY syria; SZ eswatini; TC turks and caicos islands; TD chad; TF french southern territories; TG togo; TH thailand;
TJ tajikistan; TK tokelau; TL timor-leste, east timor; TM turkmenistan; TN tunisia; TO tonga; TR turkey, turkiye;
TT trinidad and tobago; TV tuvalu; TW taiwan; TZ tanzania; UA ukraine; UG uganda;
UM united states minor outlying islands; US united states, united states of america, usa; UY uruguay; UZ uzbekistan;
VA vatican city, holy see; VC saint vincent and the grenadines; VE venezuela; VG british virgin islands;
VI us virgin islands; VN vietnam, viet nam; VU vanuatu; WF wallis and futuna; WS samoa; YE yemen; YT mayotte;
ZA south africa; ZM zambia; ZW zimbabwe
"""


def _read(names: str) -> dict[str, str]:
    table = {}
    for entry in " ".join(names.split()).split("; "):
        code, _, spellings = entry.strip().partition(" ")
        table.update(dict.fromkeys(spellings.split(", "), code))
    return table


COUNTRIES = _read(_NAMES)  # English name in small letters -> two letters
